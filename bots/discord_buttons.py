"""The buttons under an answer: good, not good with the right answer, once more, stop. Knows no SDK."""

from collections.abc import Callable, Mapping

from bots.discord_events import interaction_key
from bots.discord_replies import Asked, Replies
from bots.discord_running import Running
from bots.discord_views import ANSWER_FIELD, Action, Part, correction
from engine import Answered, DiscordWord, Engine, Proposal, Right, Verdict


class ButtonDesk:
    """What the person may do is asked at each press: the buttons are there for everybody, and for long.

    `asker` knows the id of who asked what is being answered.
    """

    def __init__(
        self, engine: Engine, replies: Replies, running: Running, asker: Callable[[str], str | None]
    ) -> None:
        self._engine = engine
        self._replies = replies
        self._running = running
        self._asker = asker

    async def act(self, asked: Asked, part: Part, fields: Mapping[str, str]) -> None:
        if part.action is Action.STOP:
            await self._stop(asked, part.about)
            return
        if part.action is Action.AGAIN:
            await self._again(asked, part.about)
            return
        answered = await self._engine.answered(part.about)
        if answered is None:
            await self._replies.whisper(asked, DiscordWord.NOT_KNOWN)
        elif part.action is Action.GOOD:
            await self._engine.rate(part.about, asked.author, Verdict.GOOD)
            await self._replies.whisper(asked, DiscordWord.RATED_GOOD)
        elif part.action is Action.NOT_GOOD:
            await self._ask_for_right(asked, part.about, answered)
        else:
            await self._correct(asked, part.about, answered, fields.get(ANSWER_FIELD, ""))

    async def _stop(self, asked: Asked, message_id: str) -> None:
        asker = self._asker(message_id)
        is_admin = self._engine.may(asked.author, asked.room.scope(0), Right.ADMIN)
        if asker is not None and asker != asked.author.id and not is_admin:
            await self._replies.whisper(asked, DiscordWord.NOT_YOURS_TO_STOP)
        elif self._engine.stop(message_id):
            await self._replies.nothing(asked)
        else:
            await self._replies.whisper(asked, DiscordWord.NOTHING_TO_STOP)

    async def _again(self, asked: Asked, message_id: str) -> None:
        new_id = interaction_key(asked.address.interaction_id)
        message = await self._engine.again(message_id, new_id, asked.author)
        if message is None:
            await self._replies.whisper(asked, DiscordWord.NOT_KNOWN)
        else:
            await self._running.run(asked, message)

    async def _ask_for_right(self, asked: Asked, message_id: str, answered: Answered) -> None:
        may_teach = self._engine.may(asked.author, answered.scope, Right.TEACH, answered.skill)
        if may_teach and answered.inputs:
            await self._replies.open(asked, correction(message_id, answered.answer))
        await self._engine.rate(message_id, asked.author, Verdict.NOT_GOOD)
        if not (may_teach and answered.inputs):
            await self._replies.whisper(asked, DiscordWord.RATED_NOT_GOOD)

    async def _correct(self, asked: Asked, message_id: str, answered: Answered, right: str) -> None:
        proposal = Proposal(answered.skill, answered.inputs, right, asked.author, answered.scope, message_id)
        await self._engine.propose(proposal)
        await self._replies.whisper(asked, DiscordWord.PROPOSED)
