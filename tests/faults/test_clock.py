"""The machine's clock jumps by an hour or a day, forwards or backwards, in the middle of everything. Deadlines are on another one."""

import time
from pathlib import Path

import pytest

from bots.metrics_figures import Figures
from bots.metrics_text import rendered
from engine import Store
from engine.suggestions import Suggestions
from tests.emulators import discord_bot, slack_bot
from tests.emulators.discord import DiscordEmulator
from tests.emulators.slack import SlackEmulator
from tests.emulators.slack_bot import ME
from tests.fakes import FakeInference, make_message
from tests.outcomes import Injected

HOUR = 3600.0


class Clock:
    """`time.time`, for everybody in this process."""

    def __init__(self) -> None:
        self._time = time.time
        self.seconds_off = 0.0

    def __call__(self) -> float:
        return self._time() + self.seconds_off


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(time, "time", moved)
    monkeypatch.setattr(Store.__init__, "__defaults__", (moved,))
    return moved


def negative_figures(bot: slack_bot.Bot | discord_bot.Bot) -> list[str]:
    page = rendered(Figures(bot.engine, "fake", {}).families()).decode()
    samples = (line for line in page.splitlines() if not line.startswith("#"))
    return [line for line in samples if float(line.rpartition(" ")[2]) < 0]


@pytest.mark.fault(
    "F20",
    "the clock jumps by an hour while an answer waits and is written in Slack, and what was said comes again",
)
@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forwards", "backwards"])
async def test_it_is_answered_once_nothing_ends_early_and_no_figure_is_negative(
    slack: SlackEmulator, tmp_path: Path, clock: Clock, seconds: float, injected: Injected
) -> None:
    model = FakeInference(num_slots=1)
    model.gate.close()
    async with slack_bot.running(slack, tmp_path, model) as bot:
        first = await slack.say("U1", "C1", f"{ME} one two three four")
        told = slack.envelopes[-1]
        await model.until(lambda: model.gate.num_held == 1)
        second = await slack.say("U2", "C1", f"{ME} five six seven")  # waits in line
        clock.seconds_off += seconds
        model.gate.let(2)
        await slack.redeliver(told)
        clock.seconds_off -= 2 * seconds
        await slack.redeliver(told)
        model.gate.open()
        assert (await slack.answer_in("C1", first)).text == "one two three four"
        assert (await slack.answer_in("C1", second)).text == "five six seven"
        await bot.engine.have_settled(2)
        await slack.redeliver(told)
        await slack.rewrite("C1", first, f"{ME} one two")  # within a minute of everybody's but the clock
        await slack.answer_in("C1", first, "one two")
        await bot.engine.have_settled(3)
        third = await slack.say("U1", "C1", f"{ME} eight")
        await slack.answer_in("C1", third, "eight")
        await bot.engine.have_settled(4)
        assert len(model.requests) == 4
        assert [len(slack.thread("C1", one)) for one in (first, second, third)] == [1, 1, 1]
        assert not negative_figures(bot)
    async with slack_bot.running(slack, tmp_path, model) as bot:
        await slack.redeliver(told)  # what was answered is known after a restart, whatever the clock says
        fourth = await slack.say("U1", "C1", f"{ME} nine")
        await slack.answer_in("C1", fourth, "nine")
        assert len(model.requests) == 5
    injected(2)


@pytest.mark.fault(
    "F20", "the clock jumps by an hour or a day while a message and a command are answered in Discord"
)
@pytest.mark.parametrize(
    "seconds", [HOUR, -HOUR, 24 * HOUR, -24 * HOUR], ids=["forwards", "backwards", "a day on", "a day back"]
)
async def test_each_is_answered_once_and_no_figure_is_negative(
    discord: DiscordEmulator, tmp_path: Path, clock: Clock, seconds: float, injected: Injected
) -> None:
    model = FakeInference(num_slots=2)
    model.gate.close()
    async with discord_bot.running(discord, tmp_path, model) as bot:
        said = await discord.say("ann", "general", "one two three", mention=True)
        await model.until(lambda: model.gate.num_held == 1)
        ran = await discord.slash("bob", "general", "chat", text="four five six")
        await model.until(lambda: model.gate.num_held == 2)
        clock.seconds_off += seconds
        discord.clock.advance(-seconds)  # Discord's own is right
        model.gate.open()
        await discord.answer_to(said, "one two three")
        await bot.settled()
        await discord.tell(said)
        await discord.edit(said, "one two")
        await discord.until(lambda: discord.text_of(said) == "one two")
        await bot.settled()
        shown = [one for one in discord.messages.values() if one.content == "four five six"]
        assert shown == discord.answers_to(ran)  # by its token, whatever age that seems to have
        assert len(shown) == 1
        assert len(discord.answers_to(said)) == 1
        assert len(model.requests) == 3
        assert not negative_figures(bot)
    injected(1)


@pytest.mark.fault("F20", "the clock jumps over midnight and back, again and again")
async def test_what_is_said_once_a_day_is_said_once_for_each_date(tmp_path: Path, injected: Injected) -> None:
    midnight = 20_000 * 24 * HOUR
    seconds = [
        midnight - 60,
        midnight - 60 + HOUR,
        midnight,
        midnight - HOUR,
        midnight + 2 * HOUR,
        midnight - 1,
    ]
    moments = iter(seconds)
    store = await Store.open(tmp_path / "understudy.db")
    try:
        suggestions = Suggestions(store, None, None, is_on=True, clock=lambda: next(moments))  # type: ignore[arg-type]
        said = [await suggestions._is_first_today(make_message("hello")) for _ in seconds]
    finally:
        await store.close()
    assert said == [True, True, False, False, False, False]
    injected(len(seconds) - 1)
