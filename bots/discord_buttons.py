"""The buttons under an answer: good, why, once more, stop; what is to be taught goes on. Knows no SDK."""

from collections.abc import Callable, Mapping

from bots.discord_events import interaction_key
from bots.discord_lessons import LessonDesk, shortened
from bots.discord_replies import Asked, Replies
from bots.discord_running import Running
from bots.discord_views import Action, Part
from engine import DiscordWord, Engine, Right, Verdict


class ButtonDesk:
    """What the person may do is asked at each press: the buttons are there for everybody, and for long.

    `asker` knows the id of who asked what is being answered.
    """

    def __init__(
        self,
        engine: Engine,
        replies: Replies,
        running: Running,
        lessons: LessonDesk,
        asker: Callable[[str], str | None],
    ) -> None:
        self._engine = engine
        self._replies = replies
        self._running = running
        self._lessons = lessons
        self._asker = asker

    async def act(self, asked: Asked, part: Part, fields: Mapping[str, str]) -> None:
        match part.action:
            case Action.STOP:
                await self._stop(asked, part.about)
            case Action.RETRY:
                await self._retry(asked, part.about)
            case Action.AGAIN:
                await self._again(asked, part.about)
            case Action.GOOD:
                await self._praise(asked, part.about)
            case Action.WHY:
                scope = asked.room.scope(asked.address.interaction_id)
                why = await self._engine.why(part.about, asked.author, scope)
                await self._replies.whisper(asked, shortened(why))
            case _:
                await self._lessons.act(asked, part, fields)

    async def _praise(self, asked: Asked, message_id: str) -> None:
        if await self._engine.answered(message_id) is None:
            await self._replies.whisper(asked, DiscordWord.NOT_KNOWN)
        else:
            await self._engine.rate(message_id, asked.author, Verdict.GOOD)
            await self._replies.whisper(asked, DiscordWord.RATED_GOOD)

    async def _stop(self, asked: Asked, message_id: str) -> None:
        asker = self._asker(message_id)
        is_admin = self._engine.may(asked.author, asked.room.scope(0), Right.ADMIN)
        if asker is not None and asker != asked.author.id and not is_admin:
            await self._replies.whisper(asked, DiscordWord.NOT_YOURS_TO_STOP)
        elif self._engine.stop(message_id):
            await self._replies.nothing(asked)
        else:
            await self._replies.whisper(asked, DiscordWord.NOTHING_TO_STOP)

    async def _retry(self, asked: Asked, message_id: str) -> None:
        """Who pressed twice is answered once."""
        delivery = await self._engine.retry(message_id, asked.author)
        if delivery is None and self._asker(message_id) is None:
            await self._replies.whisper(asked, DiscordWord.NOT_KNOWN)
            return
        await self._replies.nothing(asked)
        if delivery is not None:
            self._running.go_on(delivery)

    async def _again(self, asked: Asked, message_id: str) -> None:
        new_id = interaction_key(asked.address.interaction_id)
        message = await self._engine.again(message_id, new_id, asked.author)
        if message is None:
            await self._replies.whisper(asked, DiscordWord.NOT_KNOWN)
        else:
            await self._running.run(asked, message)
