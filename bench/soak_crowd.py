"""Who talks to the bot during a soak, and what became of each message. Knows no process."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_world import Said
from tests.emulators.slack import BOT_USER, Envelope, Posted, SlackEmulator

NUM_QUIET = 10
BURST = 1000
ADDRESSED_IN_BURST = 40
_LOOK_SECONDS = 0.05
_REDELIVER_SECONDS = 3.0
_MAX_SENT = 6
_ME = f"<@{BOT_USER}>"


@dataclass(slots=True, eq=False)
class Asked:
    """One message to the bot. `is_owed`: it arrived for certain, and nobody has taken it back."""

    where: str
    user: str
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
    clock: Callable[[], float] = monotonic

    # In Slack

    async def ask(self, user: str, channel: str, text: str, *, is_quiet: bool = False) -> Asked:
        num_before = len(self.slack.envelopes)
        began = self.clock()
        ts = await self.slack.say(user, channel, f"{_ME} {text}")
        told = tuple(
            one for one in self.slack.envelopes[num_before:] if one.body.get("event", {}).get("ts") == ts
        )
        return self._note(Asked("slack", user, ts, began, told, is_quiet=is_quiet))

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
        said = await self.discord.say(person, "general", text, mention=True)
        return self._note(Asked("discord", person, str(said.id), began, said=said))

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
        whispered = {(one.get("user"), one.get("thread_ts")) for one in self.slack.whispers}
        for one in list(self.open):
            texts = self._texts(one, threads)
            one.num_answers = len(texts)
            if texts:
                one.answered_at = self.clock()
            elif (one.user, one.key) in whispered:
                one.refused_at = self.clock()
            if one.is_done:
                self.open.discard(one)

    def count_answers(self) -> None:
        """Once more, at the end: a second answer may have come after the first."""
        threads = self._threads()
        for one in self.asked:
            one.num_answers = len(self._texts(one, threads))

    def doubt(self, seconds: float) -> None:
        """The bot was killed: Discord does not tell again what was said just before."""
        for one in self.open:
            one.is_doubtful |= one.where == "discord" and self.clock() - one.asked_at < seconds

    def disturb(self) -> None:
        """What is under way now is no measure of patience."""
        for one in self.open:
            one.is_calm = False

    def _note(self, asked: Asked) -> Asked:
        self.asked.append(asked)
        self.open.add(asked)
        return asked

    def _threads(self) -> dict[str, list[Posted]]:
        threads: dict[str, list[Posted]] = {}
        for one in self.slack.messages.values():
            if one.user == BOT_USER and one.thread_ts:
                threads.setdefault(one.thread_ts, []).append(one)
        return threads

    def _texts(self, asked: Asked, threads: Mapping[str, list[Posted]]) -> list[str]:
        if asked.said is not None:
            shown = [one.content for one in self.discord.answers_to(asked.said) if not one.is_thinking]
        else:
            shown = [one.text for one in threads.get(asked.key, ()) if not one.is_growing]
        return [text for text in shown if text.strip() and not text.endswith("…")]
