"""What buttons and windows do: rate, correct, ask again, stop, use a skill, teach one. Knows no SDK and no Block Kit.

Each press is checked again: what was shown once says nothing about what a person may do now.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from bots import slack_blocks
from bots.slack_answers import Answers, Workspace
from bots.slack_api import ApiFailed
from bots.slack_blocks import MAX_INPUT, Action, Dialog, Rating
from bots.slack_events import SlackAddress, author, message_id, opening, readable
from bots.slack_home import Home, home_scope
from bots.slack_interactions import Person, Pressed, Shortcut, Submitted, Target
from engine import (
    Author,
    Message,
    Platform,
    Proposal,
    Right,
    Scope,
    Skill,
    SlackWord,
    UnderstudyError,
    Verdict,
    sentence,
)

READ_SECONDS = 1.0  # of the three in which a window wants to know whether it is good


class _NotRead(Exception):
    """Slack did not give a message in time."""


class Dialogs:
    def __init__(self, workspace: Workspace, answers: Answers, home: Home) -> None:
        self._workspace = workspace
        self._engine = workspace.engine
        self._api = workspace.api
        self._answers = answers
        self._home = home

    # A button

    async def press(self, pressed: Pressed) -> None:
        by = await self._author(pressed.person)
        try:
            match pressed.action:
                case Action.RATE:
                    await self._rate(pressed, by)
                case Action.AGAIN:
                    await self._again(pressed, by)
                case Action.STOP:
                    await self._stop(pressed, by)
                case Action.TRY:
                    await self._try(pressed, by)
                case Action.CHOOSE_SKILL:
                    await self._choose(pressed, by)
        except UnderstudyError as error:
            await self._whisper(pressed, sentence(error))

    async def _rate(self, pressed: Pressed, by: Author) -> None:
        word, _, about = pressed.value.partition("|")
        found = await self._engine.answered(about)
        skill = None if found is None else self._engine.skillbook.get(found.skill)
        if found is None or skill is None:
            await self._whisper(pressed, SlackWord.NO_ANSWER_THERE)
        elif word == Rating.GOOD:
            await self._engine.rate(about, by, Verdict.GOOD)
            await self._whisper(pressed, SlackWord.THANKS_GOOD)
        else:
            target = self._target(pressed, about)
            view = slack_blocks.correct_modal(skill, found.question, found.answer, target.to_json())
            await self._open(pressed.trigger_id, view)
            await self._engine.rate(about, by, Verdict.NOT_GOOD)

    async def _again(self, pressed: Pressed, by: Author) -> None:
        """The same press is the same message, however often Slack tells of it."""
        new_id = f"{pressed.value}:again:{pressed.trigger_id}"
        message = await self._engine.again(pressed.value, new_id, by)
        if message is None:
            await self._whisper(pressed, SlackWord.NO_ANSWER_THERE)
            return
        thread_ts = pressed.thread_ts or message.scope.conversation
        await self._ask(message, SlackAddress(pressed.channel, thread_ts, team=pressed.person.team))

    async def _stop(self, pressed: Pressed, by: Author) -> None:
        """Who asked may, and an admin."""
        asker = self._answers.asker(pressed.value)
        scope = Scope(Platform.SLACK, self._workspace.identity.team, pressed.channel, pressed.thread_ts)
        if asker in (None, by.id) or self._engine.may(by, scope, Right.ADMIN):
            self._engine.stop(pressed.value)
        else:
            await self._whisper(pressed, SlackWord.NOT_YOURS_TO_STOP)

    async def _try(self, pressed: Pressed, by: Author) -> None:
        skill = self._engine.skillbook.get(pressed.value)
        if skill is not None:
            await self._show_use(pressed.trigger_id, by, skill, _example_text(skill), Target())

    async def _choose(self, pressed: Pressed, by: Author) -> None:
        """Another skill in a window: its own inputs, with the longest text that was there."""
        skills = self._skills(by, self._scope_of(pressed.target))
        skill = next((one for one in skills if one.name == pressed.value), None)
        if skill is None:
            return
        typed = [
            text
            for block, text in pressed.values.items()
            if block not in (slack_blocks.SKILL_BLOCK, slack_blocks.OUTPUT_BLOCK)
        ]
        view = _window(pressed.dialog, skills, skill, max(typed, key=len, default=""), pressed.target)
        await self._api.call("views.update", view_id=pressed.view_id, view=view)

    # A window

    async def open_for(self, shortcut: Shortcut) -> None:
        by = await self._author(shortcut.person)
        text = readable(shortcut.text, self._workspace.identity.bot_user)
        skills = self._skills(by, self._scope_of(shortcut.target))
        if not skills:
            await self._open(shortcut.trigger_id, slack_blocks.note_modal(SlackWord.NO_SKILLS))
            return
        view = _window(shortcut.dialog, skills, _first(skills), text, shortcut.target)
        await self._open(shortcut.trigger_id, view)

    async def _show_use(self, trigger_id: str, by: Author, skill: Skill, text: str, target: Target) -> None:
        skills = self._skills(by, self._scope_of(target))
        if skill in skills:
            await self._open(trigger_id, _window(Dialog.USE, skills, skill, text, target))

    async def submit(self, submitted: Submitted) -> Mapping[str, str]:
        """What is wrong with it, by block; empty when it was taken. Raises StoreFailed."""
        by = await self._author(submitted.person)
        if submitted.dialog is Dialog.CORRECT:
            return await self._correct(submitted, by)
        skill = self._engine.skillbook.get(submitted.skill)
        if skill is None:
            return {slack_blocks.SKILL_BLOCK: str(SlackWord.NO_SKILLS)}
        do = self._teach if submitted.dialog is Dialog.TEACH else self._use
        try:
            return await do(submitted, by, skill)
        except _NotRead:
            return {slack_blocks.input_block(skill, skill.main_input): str(SlackWord.NOT_READ)}

    async def _use(self, submitted: Submitted, by: Author, skill: Skill) -> Mapping[str, str]:
        scope = self._scope_of(submitted.target)
        if not self._engine.may(by, scope, Right.USE, skill.name):
            return {slack_blocks.SKILL_BLOCK: str(SlackWord.NOT_FOR_YOU)}
        inputs = await self._whole(submitted.target, skill, submitted.inputs(skill))
        if not inputs:
            return {slack_blocks.input_block(skill, skill.main_input): str(SlackWord.NEEDS_TEXT)}
        new_id = message_id(scope.workspace, scope.channel, submitted.view_id)
        message = Message(new_id, scope, by, "", skill.name, inputs)
        target, team = submitted.target, submitted.person.team
        if target.channel:
            address = SlackAddress(
                target.channel, target.thread_ts, response_url=target.response_url, team=team
            )
            await self._ask(message, address)
        else:  # in the person's direct messages, under what they asked
            said = opening(by.id, f"/{skill.name}", " · ".join(inputs.values()))
            direct = replace(message, scope=replace(scope, channel=by.id, conversation=submitted.view_id))
            await self._ask(direct, SlackAddress(by.id, opening=said, team=team))
        return {}

    async def _teach(self, submitted: Submitted, by: Author, skill: Skill) -> Mapping[str, str]:
        target = submitted.target
        source = message_id(self._workspace.identity.team, target.channel, target.ts)
        inputs = await self._whole(target, skill, submitted.inputs(skill))
        return await self._propose(submitted, by, skill, inputs, source)

    async def _correct(self, submitted: Submitted, by: Author) -> Mapping[str, str]:
        found = await self._engine.answered(submitted.target.message_id)
        skill = None if found is None else self._engine.skillbook.get(found.skill)
        if found is None or skill is None:
            return {slack_blocks.OUTPUT_BLOCK: str(SlackWord.NO_ANSWER_THERE)}
        return await self._propose(submitted, by, skill, found.inputs, submitted.target.message_id)

    async def _propose(
        self, submitted: Submitted, by: Author, skill: Skill, inputs: Mapping[str, str], source: str
    ) -> Mapping[str, str]:
        scope, output = self._scope_of(submitted.target), submitted.output(skill).strip()
        if not output:
            return {slack_blocks.OUTPUT_BLOCK: str(SlackWord.NEEDS_TEXT)}
        try:
            await self._engine.propose(Proposal(skill.name, inputs, output, by, scope, source))
        except UnderstudyError as error:
            return {slack_blocks.OUTPUT_BLOCK: sentence(error)}
        self._home.note_change()
        self._workspace.begin(self._thank(submitted))
        return {}

    # Pieces

    async def _thank(self, submitted: Submitted) -> None:
        target = submitted.target
        if target.channel:
            await self._say_to(submitted.person, target.channel, target.thread_ts, SlackWord.THANKS_PROPOSED)

    async def _ask(self, message: Message, address: SlackAddress) -> None:
        delivery = await self._answers.keep_message(message, address)
        if delivery is not None:
            self._answers.begin(delivery)

    async def _author(self, person: Person) -> Author:
        known = author(person.user, person.name, person.team, self._workspace.identity)
        return await self._workspace.people.known(known)

    def _skills(self, by: Author, scope: Scope) -> tuple[Skill, ...]:
        return self._engine.skills_for(by, scope)

    def _scope_of(self, target: Target) -> Scope:
        team = self._workspace.identity.team
        if not target.channel:
            return home_scope(self._workspace.identity)
        return Scope(Platform.SLACK, team, target.channel, target.thread_ts)

    def _target(self, pressed: Pressed, about: str) -> Target:
        return Target(pressed.channel, pressed.thread_ts, pressed.message_ts, pressed.response_url, about)

    async def _whole(self, target: Target, skill: Skill, inputs: Mapping[str, str]) -> Mapping[str, str]:
        """A window takes 3,000 characters: what was longer is read once more where it stands."""
        main = skill.main_input.name
        given = inputs.get(main, "")
        if len(given) < MAX_INPUT or not target.ts:
            return inputs
        whole = await self._read_again(target)
        return {**inputs, main: whole} if whole.startswith(given.rstrip()) else inputs

    async def _read_again(self, target: Target) -> str:
        """Raises _NotRead."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                page = await self._api.call(
                    "conversations.replies",
                    channel=target.channel,
                    ts=target.thread_ts,
                    oldest=target.ts,
                    latest=target.ts,
                    inclusive=True,
                )
        except (ApiFailed, TimeoutError) as error:
            raise _NotRead from error
        messages = page.get("messages")
        said = [one for one in (messages if isinstance(messages, list) else []) if isinstance(one, Mapping)]
        text = next((one.get("text") for one in said if one.get("ts") == target.ts), "")
        return readable(str(text or ""), self._workspace.identity.bot_user)

    async def _open(self, trigger_id: str, view: slack_blocks.View) -> None:
        await self._api.call("views.open", trigger_id=trigger_id, view=view)

    async def _whisper(self, pressed: Pressed, text: str) -> None:
        if pressed.channel:
            await self._say_to(pressed.person, pressed.channel, pressed.thread_ts, text)
        else:
            await self._open(pressed.trigger_id, slack_blocks.note_modal(text))

    async def _say_to(self, person: Person, channel: str, thread_ts: str, text: str) -> None:
        """The person alone sees it."""
        await self._api.call(
            "chat.postEphemeral",
            channel=channel,
            user=person.user,
            thread_ts=thread_ts or None,
            text=slack_blocks.escaped(text),
        )


def _window(
    dialog: Dialog, skills: tuple[Skill, ...], chosen: Skill, text: str, target: Target
) -> slack_blocks.View:
    make = slack_blocks.teach_modal if dialog is Dialog.TEACH else slack_blocks.use_modal
    return make(skills, chosen, text, target.to_json())


def _first(skills: tuple[Skill, ...]) -> Skill:
    """The one that is shown before another is chosen: one that is meant for a text of somebody else, if there is one."""
    return next((one for one in skills if one.examples), skills[0])


def _example_text(skill: Skill) -> str:
    return skill.examples[0].inputs.get(skill.main_input.name, "") if skill.examples else ""
