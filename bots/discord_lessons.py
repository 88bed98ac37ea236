"""Teaching on Discord: windows for an example and a right answer, and the buttons of proposals. Knows no SDK."""

from collections.abc import Mapping
from dataclasses import replace

from bots.decisions import Card, DecisionDesk, Outcome
from bots.discord_events import interaction_key, message_key, utf16_length
from bots.discord_replies import Asked, Replies
from bots.discord_views import (
    ANSWER_FIELD,
    TEXT_FIELD,
    Action,
    Decided,
    Part,
    change,
    changed,
    chosen_skill,
    correction,
    decisions,
    lesson,
    read_decided,
    whole,
)
from bots.markup import for_discord
from bots.splitting import beginning
from engine import (
    Answered,
    DiscordWord,
    Edition,
    Engine,
    NotAllowed,
    Proposal,
    Right,
    Scope,
    Shown,
    UnderstudyError,
    Verdict,
    sentence,
)

MAX_LENGTH = 2000


class LessonDesk:
    """Discord is told at once that something comes: what an example does to a skill takes a moment."""

    def __init__(self, engine: Engine, replies: Replies) -> None:
        self._engine = engine
        self._replies = replies
        self._decisions = DecisionDesk(engine)

    async def act(self, asked: Asked, part: Part, fields: Mapping[str, str]) -> None:
        match part.action:
            case Action.NOT_GOOD:
                await self._ask_for_right(asked, part.about)
            case Action.CORRECT:
                await self._correct(asked, part.about, fields)
            case Action.TEACH_ME:
                await self._ask_for_lesson(asked, part.about)
            case Action.LEARN:
                await self._learn(asked, part.about, fields)
            case Action.TEACH:
                await self._teach_from(asked, part.about, fields)
            case _:
                await self._decide(asked, part, fields)

    # Under an answer

    async def _ask_for_right(self, asked: Asked, message_id: str) -> None:
        """What the answer should have been, from whoever may use the skill."""
        found = await self._known(asked, message_id)
        if found is None:
            return
        if found.inputs:
            skill = self._engine.skillbook.get(found.skill)
            choices = skill.choices if skill else ()
            await self._replies.open(asked, correction(message_id, found.answer, choices))
        await self._engine.rate(message_id, asked.author, Verdict.NOT_GOOD)
        if not found.inputs:
            await self._replies.whisper(asked, DiscordWord.RATED_NOT_GOOD)

    async def _correct(self, asked: Asked, message_id: str, fields: Mapping[str, str]) -> None:
        found = await self._known(asked, message_id)
        if found is not None:
            right = whole(fields.get(ANSWER_FIELD, ""), found.answer)
            await self._teach(asked, _lesson_of(asked, found, right, message_id))

    async def _ask_for_lesson(self, asked: Asked, message_id: str) -> None:
        found = await self._known(asked, message_id)
        skill = None if found is None else self._engine.skillbook.get(found.skill)
        if found is not None and skill is not None:
            question = found.inputs.get(skill.main_input.name, "")
            await self._replies.open(asked, lesson(message_id, skill, question))
        elif found is not None:
            await self._replies.whisper(asked, DiscordWord.NOT_KNOWN)

    async def _learn(self, asked: Asked, message_id: str, fields: Mapping[str, str]) -> None:
        found = await self._known(asked, message_id)
        skill = None if found is None else self._engine.skillbook.get(found.skill)
        if found is None:
            return
        if skill is None:
            await self._replies.whisper(asked, DiscordWord.NOT_KNOWN)
            return
        main = skill.main_input.name
        said = whole(fields.get(TEXT_FIELD, ""), found.inputs.get(main, ""))
        asked_of = replace(found, inputs={**found.inputs, main: said})
        await self._teach(asked, _lesson_of(asked, asked_of, fields.get(ANSWER_FIELD, ""), message_id))

    async def _known(self, asked: Asked, message_id: str) -> Answered | None:
        """None: that it is forgotten was said. Raises NotAllowed."""
        found = await self._engine.answered(message_id)
        if found is None:
            await self._replies.whisper(asked, DiscordWord.NOT_KNOWN)
        elif not self._engine.may(asked.author, found.scope, Right.USE, found.skill):
            raise NotAllowed(Right.USE, found.skill)
        return found

    # An example

    async def _teach_from(self, asked: Asked, target: str, fields: Mapping[str, str]) -> None:
        skill = self._engine.skillbook.get(chosen_skill(fields) or "")
        if skill is None:
            await self._replies.whisper(asked, DiscordWord.NO_SKILL_HERE)
            return
        inputs = {skill.main_input.name: fields.get(TEXT_FIELD, "")}
        output, scope = fields.get(ANSWER_FIELD, ""), asked.room.scope(int(target))
        source = message_key(int(target))
        await self._teach(asked, Proposal(skill.name, inputs, output, asked.author, scope, source))

    async def _teach(self, asked: Asked, proposal: Proposal) -> None:
        await self._replies.later_whisper(asked)
        key = interaction_key(asked.address.interaction_id)
        try:
            shown = await self._engine.decisions.teach(proposal, key, is_private=True)
        except UnderstudyError as error:
            shown = Shown(sentence(error))
        await self._show(asked, shown)

    # A proposal

    async def _decide(self, asked: Asked, part: Part, fields: Mapping[str, str]) -> None:
        decided = read_decided(part.about)
        if decided is None:
            await self._replies.whisper(asked, DiscordWord.FORM_GONE)
            return
        card = Card(decided.number, str(asked.message_id), has_list=decided.has_list)
        by = Edition(asked.author, self._scope(asked), interaction_key(asked.address.interaction_id))
        if part.action is Action.EDIT:
            await self._open_change(asked, decided, card, by)
            return
        await self._replies.nothing(asked)
        await self._tell(asked, await self._outcome(part.action, card, by, fields))

    async def _outcome(self, action: Action, card: Card, by: Edition, fields: Mapping[str, str]) -> Outcome:
        match action:
            case Action.ACCEPT:
                return await self._decisions.accept(card, by)
            case Action.DROP:
                return await self._decisions.drop(card, by)
            case _:
                return await self._change(card, by, fields)

    async def _open_change(self, asked: Asked, decided: Decided, card: Card, by: Edition) -> None:
        found = await self._decisions.to_edit(card, by)
        if isinstance(found, Outcome):
            await self._replies.nothing(asked)
            await self._tell(asked, found)
            return
        proposal = found.proposal
        skill = self._engine.skillbook.get(proposal.skill)
        if skill is not None:
            await self._replies.open(asked, change(decided, skill, proposal.inputs, proposal.output))

    async def _change(self, card: Card, by: Edition, fields: Mapping[str, str]) -> Outcome:
        found = await self._decisions.to_edit(card, by)
        if isinstance(found, Outcome):
            return found
        proposal = found.proposal
        skill = self._engine.skillbook.get(proposal.skill)
        if skill is None:
            return Outcome(None, DiscordWord.NO_SKILL_HERE)
        output = whole(fields.get(ANSWER_FIELD, ""), proposal.output)
        return await self._decisions.edit(card, changed(skill, proposal.inputs, fields), output, by)

    async def _tell(self, asked: Asked, outcome: Outcome) -> None:
        if outcome.shown is not None:
            await self._show(asked, outcome.shown)
        if outcome.told:
            await self._replies.whisper_too(asked, shortened(outcome.told))

    async def _show(self, asked: Asked, shown: Shown) -> None:
        await self._replies.show(asked, shortened(shown.text), decisions(shown.proposals))

    def _scope(self, asked: Asked) -> Scope:
        return asked.room.scope(asked.address.interaction_id)


def shortened(text: str) -> str:
    """As Discord takes it in one message."""
    return for_discord(beginning(text, MAX_LENGTH, lambda part: utf16_length(for_discord(part))))


def _lesson_of(asked: Asked, found: Answered, right: str, source: str) -> Proposal:
    return Proposal(found.skill, found.inputs, right, asked.author, found.scope, source)
