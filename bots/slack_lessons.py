"""Teaching in Slack: windows for an example and a right answer, and the buttons of proposals. Knows no SDK and no Block Kit."""

import asyncio
from collections.abc import Awaitable, Mapping

from bots import slack_blocks
from bots.decisions import Card, DecisionDesk, Outcome
from bots.slack_answers import Workspace
from bots.slack_blocks import MAX_INPUT, Dialog
from bots.slack_controls import Action, DecisionValue
from bots.slack_events import message_id
from bots.slack_home import Home
from bots.slack_interactions import Pressed, Submitted, Target
from bots.slack_windows import Windows
from engine import (
    Answered,
    Author,
    Edition,
    NotAllowed,
    Proposal,
    Right,
    Shown,
    Skill,
    SlackWord,
    UnderstudyError,
    Verdict,
    sentence,
)

TEACH_SECONDS = 2.0  # of the three in which a window wants to know whether it is good

Errors = Mapping[str, str]


class Lessons:
    def __init__(self, workspace: Workspace, windows: Windows, home: Home) -> None:
        self._workspace = workspace
        self._engine = workspace.engine
        self._desk = DecisionDesk(workspace.engine)
        self._windows = windows
        self._home = home

    # Buttons under an answer

    async def ask_for_right(self, pressed: Pressed, about: str, by: Author) -> None:
        """What the answer should have been, from whoever may use the skill."""
        found, skill = await self._known(about, by)
        if found is None or skill is None:
            await self._windows.whisper(pressed, SlackWord.NO_ANSWER_THERE)
            return
        target = _about(pressed, about).to_json()
        view = slack_blocks.correct_modal(skill, found.question, found.answer, target)
        await self._windows.open(pressed.trigger_id, view)
        await self._engine.rate(about, by, Verdict.NOT_GOOD)

    async def _teach_me(self, pressed: Pressed, by: Author) -> None:
        found, skill = await self._known(pressed.value, by)
        if found is None or skill is None:
            await self._windows.whisper(pressed, SlackWord.NO_ANSWER_THERE)
            return
        others = [one for one in self._engine.skills_for(by, found.scope) if one.name != skill.name]
        target = _about(pressed, pressed.value).to_json()
        view = slack_blocks.teach_modal([skill, *others], skill, found.inputs, "", target)
        await self._windows.open(pressed.trigger_id, view)

    async def _known(self, about: str, by: Author) -> tuple[Answered | None, Skill | None]:
        """Raises NotAllowed: somebody else has to teach this."""
        found = await self._engine.answered(about)
        if found is None:
            return None, None
        if not self._engine.may(by, found.scope, Right.USE, found.skill):
            raise NotAllowed(Right.USE, found.skill)
        return found, self._engine.skillbook.get(found.skill)

    # Buttons of a proposal

    async def press(self, pressed: Pressed, by: Author) -> None:
        if pressed.action is Action.TEACH_ME:
            await self._teach_me(pressed, by)
            return
        value, edition = DecisionValue.read(pressed.value), self._edition(pressed.place, by)
        card = _card(value, pressed.place)
        match pressed.action:
            case Action.ACCEPT:
                await self._show(pressed, await self._desk.accept(card, edition))
            case Action.DROP:
                await self._show(pressed, await self._desk.drop(card, edition))
            case _:
                await self._open_edit(pressed, card, edition)

    async def _open_edit(self, pressed: Pressed, card: Card, by: Edition) -> None:
        found = await self._desk.to_edit(card, by)
        if isinstance(found, Outcome):
            await self._show(pressed, found)
            return
        proposal = found.proposal
        skill = self._engine.skillbook.get(proposal.skill)
        if skill is not None:
            target = _editing(pressed.place, card).to_json()
            view = slack_blocks.edit_modal(skill, proposal.inputs, proposal.output, target)
            await self._windows.open(pressed.trigger_id, view)

    async def _show(self, pressed: Pressed, outcome: Outcome) -> None:
        if outcome.shown is not None:
            self._home.note_change()
        if outcome.shown is not None and pressed.channel:
            await self._windows.replace(pressed.person, pressed.place, outcome.shown)
        elif outcome.shown is not None:
            await self._windows.whisper(pressed, outcome.shown.text)
        else:
            await self._windows.whisper(pressed, outcome.told)

    # Windows

    async def submit(self, submitted: Submitted, by: Author) -> Errors:
        """What is wrong with it, by block; empty when it was taken. Raises NotRead."""
        if submitted.dialog is Dialog.EDIT:
            return await self._edit(submitted, by)
        if submitted.dialog is Dialog.CORRECT:
            return await self._correct(submitted, by)
        skill = self._engine.skillbook.get(submitted.skill)
        if skill is None:
            return {slack_blocks.SKILL_BLOCK: str(SlackWord.NO_SKILLS)}
        target = submitted.target
        source = target.message_id or message_id(self._workspace.identity.team, target.channel, target.ts)
        inputs = await self.whole(target, skill, submitted.inputs(skill))
        return await self._teach(submitted, by, skill, inputs, source)

    async def _correct(self, submitted: Submitted, by: Author) -> Errors:
        about = submitted.target.message_id
        found = await self._engine.answered(about)
        skill = None if found is None else self._engine.skillbook.get(found.skill)
        if found is None or skill is None:
            return {slack_blocks.OUTPUT_BLOCK: str(SlackWord.NO_ANSWER_THERE)}
        return await self._teach(submitted, by, skill, found.inputs, about)

    async def _teach(
        self, submitted: Submitted, by: Author, skill: Skill, inputs: Mapping[str, str], source: str
    ) -> Errors:
        output = submitted.output(skill).strip()
        if not output:
            return {slack_blocks.OUTPUT_BLOCK: str(SlackWord.NEEDS_TEXT)}
        scope = self._windows.scope_of(submitted.target)
        proposal = Proposal(skill.name, inputs, output, by, scope, source)
        teaching = asyncio.ensure_future(self._taught(proposal))
        return await self._told_in_time(submitted, teaching)

    async def _taught(self, proposal: Proposal) -> Outcome:
        try:
            return Outcome(await self._engine.decisions.teach(proposal, is_private=True))
        except UnderstudyError as error:
            return Outcome(None, sentence(error))

    async def _edit(self, submitted: Submitted, by: Author) -> Errors:
        target = submitted.target
        card = _card(DecisionValue(target.number, has_list=target.has_list), target)
        edition = self._edition(target, by)
        found = await self._desk.to_edit(card, edition)
        skill = None if isinstance(found, Outcome) else self._engine.skillbook.get(found.proposal.skill)
        if isinstance(found, Outcome) or skill is None:
            told = found.told if isinstance(found, Outcome) else str(SlackWord.NO_SKILLS)
            return {slack_blocks.OUTPUT_BLOCK: told}
        inputs = longest(submitted.inputs(skill), found.proposal.inputs)
        written = longest({"output": submitted.output(skill)}, {"output": found.proposal.output})
        editing = self._desk.edit(card, inputs, written["output"].strip(), edition)
        return await self._told_in_time(submitted, asyncio.ensure_future(editing), is_card=True)

    async def _told_in_time(
        self, submitted: Submitted, work: "asyncio.Future[Outcome]", *, is_card: bool = False
    ) -> Errors:
        """In the window if that can still wait, else beside what it is about."""
        done, _ = await asyncio.wait({work}, timeout=TEACH_SECONDS)
        if done and work.result().shown is None:
            return {slack_blocks.OUTPUT_BLOCK: work.result().told}
        self._workspace.begin(self._tell(submitted, work, is_card=is_card))
        return {}

    async def _tell(self, submitted: Submitted, work: Awaitable[Outcome], *, is_card: bool) -> None:
        outcome, target = await work, submitted.target
        self._home.note_change()
        shown = outcome.shown or Shown(outcome.told)
        if target.channel and is_card and outcome.shown is not None:
            await self._windows.replace(submitted.person, target, shown)
        elif target.channel:
            await self._windows.show(submitted.person, target, shown)

    # Pieces

    async def whole(self, target: Target, skill: Skill, inputs: Mapping[str, str]) -> Mapping[str, str]:
        """A window takes 3,000 characters: what was longer is read once more where it stands. Raises NotRead."""
        main = skill.main_input.name
        if len(inputs.get(main, "")) < MAX_INPUT:
            return inputs
        if target.message_id:
            found = await self._engine.answered(target.message_id)
            return inputs if found is None else longest(inputs, found.inputs)
        if not target.ts:
            return inputs
        return longest(inputs, {main: await self._windows.read_again(target)})

    def _edition(self, target: Target, by: Author) -> Edition:
        return Edition(by, self._windows.scope_of(target))


def longest(given: Mapping[str, str], before: Mapping[str, str]) -> Mapping[str, str]:
    """What a window had no room for, where nobody has changed what it showed."""
    return {name: _longer(text, before.get(name, "")) for name, text in given.items()}


def _longer(given: str, before: str) -> str:
    return before if len(given) >= MAX_INPUT and before.startswith(given.rstrip()) else given


def _card(value: DecisionValue, place: Target) -> Card:
    return Card(value.number, f"{place.channel}:{place.ts}", has_list=value.has_list)


def _about(pressed: Pressed, message_id: str) -> Target:
    return Target(pressed.channel, pressed.thread_ts, pressed.message_ts, pressed.response_url, message_id)


def _editing(place: Target, card: Card) -> Target:
    return Target(
        place.channel,
        place.thread_ts,
        place.ts,
        place.response_url,
        number=card.number,
        is_ephemeral=place.is_ephemeral,
        has_list=card.has_list,
    )
