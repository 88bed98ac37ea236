"""Who talks to the bot during a soak, and what became of each message. Knows no process."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_gateway import Session
from tests.emulators.discord_world import Said
from tests.emulators.slack import BOT_USER, Envelope, Posted, SlackEmulator
from tests.emulators.slack_world import TEAM, UNFINISHED

NUM_QUIET = 10
BURST = 1000
ADDRESSED_IN_BURST = 40
_LOOK_SECONDS = 0.05
_REDELIVER_SECONDS = 3.0
_SETTLE_SECONDS = 6.0  # after a blow, until waits are those of a bot that is well
_NOTICE_SECONDS = 60.0  # who was told that it is too much is not told again for so long
_TELL_SECONDS = 30.0  # that a notice may take, when everything is slow
_MAX_SENT = 6
_ME = f"<@{BOT_USER}>"


@dataclass(slots=True, eq=False)
class Asked:
    """One message to the bot. `is_owed`: it arrived for certain, and nobody has taken it back."""

    where: str
    user: str
    channel: str
    key: str
    asked_at: float
    envelopes: tuple[Envelope, ...] = ()
    said: Said | None = None
    is_quiet: bool = False
    is_calm: bool = True
    is_taken_back: bool = False
    is_doubtful: bool = False
    answered_at: float | None = None
    refused_at: float | None = None
    num_answers: int = 0

    @property
    def message_id(self) -> str:
        """What the bot calls it."""
        if self.said is not None:
            return f"discord:{self.key}"
        return f"slack:{TEAM}:{self.channel}:{self.key}"

    @property
    def is_owed(self) -> bool:
        arrived = self.said is not None or any(one.acks for one in self.envelopes)
        return arrived and not self.is_taken_back and not self.is_doubtful

    @property
    def is_done(self) -> bool:
        return self.answered_at is not None or self.refused_at is not None


@dataclass
class Crowd:
    slack: SlackEmulator
    discord: DiscordEmulator
    rng: random.Random
    asked: list[Asked] = field(default_factory=list)
    open: set[Asked] = field(default_factory=set)
    notices: dict[str, list[float]] = field(
        default_factory=dict
    )  # when each person was told something in private
    disturbed_at: float = 0.0
    began_at: float = field(default_factory=monotonic)
    clock: Callable[[], float] = monotonic
    _num_whispers: int = 0
    _dead_sessions: list[Session] = field(default_factory=list)

    # In Slack

    async def ask(self, user: str, channel: str, text: str, *, is_quiet: bool = False) -> Asked:
        num_before = len(self.slack.envelopes)
        began = self.clock()
        ts = await self.slack.say(user, channel, f"{_ME} {text}")
        told = tuple(
            one for one in self.slack.envelopes[num_before:] if one.body.get("event", {}).get("ts") == ts
        )
        return self._note(Asked("slack", user, channel, ts, began, told, is_quiet=is_quiet))

    async def chatter(self, user: str, channel: str) -> None:
        """What is not for the bot, and must be acknowledged all the same."""
        await self.slack.say(user, channel, "has anybody seen my chair?")

    async def burst(self) -> list[float]:
        """A thousand events at once; after how many seconds each was acknowledged."""
        num_before = len(self.slack.envelopes)
        for number in range(BURST):
            if number % (BURST // ADDRESSED_IN_BURST) == 0:
                await self.ask(f"UB{number}", f"CB{number % 4}", "/triage what a noise")
            else:
                await self.chatter(f"UB{number}", f"CB{number % 4}")
            await asyncio.sleep(0)  # what is acknowledged is read meanwhile
        told = self.slack.envelopes[num_before:]
        deadline = self.clock() + 60
        while self.clock() < deadline and not all(one.acks for one in told):  # noqa: ASYNC110 - bounded
            await asyncio.sleep(0.05)
        return [one.seconds if one.acks else 60.0 for one in told]

    async def change_something(self) -> None:
        """Somebody edits, deletes or presses."""
        found = [one for one in self.asked[-40:] if one.where == "slack" and not one.is_taken_back]
        if not found:
            return
        one = self.rng.choice(found)
        channel = next((where for where, ts in self.slack.messages if ts == one.key), None)
        answers = [] if channel is None else self.slack.thread(channel, one.key)
        kind = self.rng.random()
        if channel is None:
            return
        if kind < 0.3:
            one.is_taken_back = True
            await self.slack.take_back(channel, one.key)
        elif kind < 0.6:
            await self.slack.rewrite(channel, one.key, f"{_ME} /triage or rather something else")
        elif answers and "rate" in answers[-1].buttons:
            await self.slack.press("U1", answers[-1], "rate", f"good|slack:T1:{channel}:{one.key}")

    # In Discord

    async def ask_in_discord(self, person: str, text: str) -> Asked:
        began = self.clock()
        is_unheard = bool(self._dead_sessions) and self.discord.gateway.sessions == self._dead_sessions
        said = await self.discord.say(person, "general", text, mention=True)
        asked = Asked("discord", person, "general", str(said.id), began, said=said)
        asked.is_doubtful = is_unheard
        return self._note(asked)

    # What becomes of it

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def redeliver(self) -> None:
        """As Slack does when it saw no acknowledgement."""
        while True:
            await asyncio.sleep(1.0)
            now = asyncio.get_running_loop().time()
            for one in self.slack.envelopes[-3000:]:
                is_late = not one.acks and now - one.sent_at > _REDELIVER_SECONDS
                if is_late and one.num_sent < _MAX_SENT and self.slack._sockets:  # noqa: SLF001 - the emulator is ours
                    kind = "events_api" if "event" in one.body else "interactive"
                    await self.slack.redeliver(one, kind)

    def look(self) -> None:
        threads = self._threads()
        whispered = {(one.get("user"), one.get("thread_ts")) for one in self._new_whispers()}
        for one in list(self.open):
            answers = self._answers(one, threads)
            one.num_answers = len(answers)
            if answers:
                one.answered_at = self._came_at(answers[0])
            elif (one.user, one.key) in whispered:
                one.refused_at = self.clock()
            if one.is_done:
                self.open.discard(one)

    def was_told(self, asked: Asked) -> bool:
        """Whether its author heard within the minute that there is too much to do, so that this one was refused in silence."""
        first, last = asked.asked_at - _NOTICE_SECONDS, asked.asked_at + _TELL_SECONDS
        return any(first <= told_at <= last for told_at in self.notices.get(asked.user, ()))

    def count_answers(self) -> None:
        """Once more, at the end: a second answer may have come after the first."""
        threads = self._threads()
        for one in self.asked:
            one.num_answers = len(self._answers(one, threads))

    def doubt(self, seconds: float) -> None:
        """What Discord told just before may not have been kept, and Discord does not tell it again."""
        for one in self.open:
            one.is_doubtful |= one.where == "discord" and self.clock() - one.asked_at < seconds

    def end_life(self, seconds: float) -> None:
        """The bot ends: nothing that is said in Discord until it has a session of its own again is told to it."""
        self._dead_sessions = list(self.discord.gateway.sessions)
        self.doubt(seconds)

    @property
    def is_heard(self) -> bool:
        """Somebody listens in both places."""
        return self.slack.has_listeners and self.discord.gateway.num_connected > 0

    def disturb(self) -> None:
        """What is under way now, or begins before it is over, is no measure of patience."""
        self.disturbed_at = self.clock()
        for one in self.open:
            one.is_calm = False

    def _note(self, asked: Asked) -> Asked:
        asked.is_calm = asked.asked_at > self.disturbed_at + _SETTLE_SECONDS
        self.asked.append(asked)
        self.open.add(asked)
        return asked

    def _threads(self) -> dict[str, list[Posted]]:
        threads: dict[str, list[Posted]] = {}
        for one in self.slack.messages.values():
            if one.user == BOT_USER and one.thread_ts:
                threads.setdefault(one.thread_ts, []).append(one)
        return threads

    def _new_whispers(self) -> list[dict[str, Any]]:
        """All there are; those that were not seen before are noted as notices."""
        whispers = self.slack.whispers
        for one in whispers[self._num_whispers :]:
            self.notices.setdefault(str(one.get("user")), []).append(self.clock())
        self._num_whispers = len(whispers)
        return whispers

    def _came_at(self, answer: Posted | Said) -> float:
        """To the moment where it stood there at once, otherwise when it was looked at."""
        is_whole = isinstance(answer, Posted) and answer.stream is None and len(answer.versions) == 1
        return answer.at if isinstance(answer, Posted) and is_whole else self.clock()

    def _answers(self, asked: Asked, threads: Mapping[str, list[Posted]]) -> Sequence[Posted | Said]:
        if asked.said is not None:
            return [
                one
                for one in self.discord.answers_to(asked.said)
                if not one.is_thinking and _is_whole(one.content)
            ]
        return [one for one in threads.get(asked.key, ()) if not one.is_growing and _is_whole(one.text)]


def _is_whole(text: str) -> bool:
    return bool(text.strip()) and not text.endswith(UNFINISHED)
