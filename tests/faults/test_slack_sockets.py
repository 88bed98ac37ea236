"""Slack's socket is reset, closed, half open, refused: the unmodified SDK, with what this project adds to it, comes back."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Secrets
from tests.emulators.slack import (
    APP_TOKEN,
    BOT_TOKEN,
    Garbage,
    Held,
    RateLimited,
    Refused,
    Reset,
    SlackEmulator,
)
from tests.emulators.slack_bot import Bot, running
from tests.emulators.slack_world import Fault
from tests.outcomes import Injected

TEXT = "one two three four five six"
PING_SECONDS = 0.5


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same order of events as with the real pauses, in less time."""
    for name, seconds in {
        "PING_SECONDS": PING_SECONDS,
        "LOOK_SECONDS": 0.02,
        "WATCH_SECONDS": 0.3,
        "OPEN_SECONDS": 1.0,
        "LOST_SECONDS": 2.0,
        "FIRST_PAUSE_SECONDS": 0.05,
    }.items():
        monkeypatch.setattr(f"bots.slack.{name}", seconds)


async def begin(slack: SlackEmulator, bot: Bot) -> str:
    """A question of which the first words stand in Slack; the model is held."""
    bot.model.gate.close()
    ts = await slack.dm("U1", TEXT)
    await bot.model.until(lambda: bot.model.gate.num_held == 1)
    bot.model.gate.let(2)
    await slack.until(lambda: bool(slack.thread("DU1", ts)))
    return ts


async def is_answered(slack: SlackEmulator, text: str = "still there?") -> None:
    """A question that comes now is answered, once."""
    ts = await slack.dm("U2", text)
    assert (await slack.answer_in("DU2", ts)).text == text
    assert len(slack.thread("DU2", ts)) == 1


def num_opened(slack: SlackEmulator) -> int:
    return sum(method == "apps.connections.open" for method, _ in slack.calls)


@pytest.mark.fault("F2", "Slack's socket is reset (TCP RST) while an answer streams")
async def test_the_answer_goes_on_over_the_web_api_and_a_new_socket_is_there_for_the_next(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with running(slack, tmp_path) as bot:
        ts = await begin(slack, bot)
        for number in range(2, 4):
            slack.cut()
            bot.model.gate.let(1)
            await slack.connected(number)
            injected(1)
        slack.cut()
        bot.model.gate.open()
        assert (await slack.answer_in("DU1", ts, "six")).text == TEXT
        injected(1)
        await is_answered(slack)
    assert len(slack.thread("DU1", ts)) == 1
    assert len(bot.model.requests) == 2


@pytest.mark.fault("F3", "Slack closes the socket, or asks for a new connection")
@pytest.mark.parametrize("is_asked", [True, False])
async def test_the_next_message_comes_over_a_new_socket_and_no_error_is_logged(
    slack: SlackEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_asked: bool
) -> None:
    async with running(slack, tmp_path) as bot:
        ts = await begin(slack, bot)
        await slack.until(lambda: all(one.acks for one in slack.envelopes))
        await (slack.refresh() if is_asked else slack.close_all())
        await slack.connected(2)
        bot.model.gate.open()
        assert (await slack.answer_in("DU1", ts, "six")).text == TEXT
        await is_answered(slack)
        assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
    assert len(slack.thread("DU1", ts)) == 1


@pytest.mark.fault("F4", "Slack's socket is half open: it stands, and nobody answers pings")
async def test_it_is_given_up_within_two_pings_and_what_comes_then_is_answered(
    slack: SlackEmulator, tmp_path: Path
) -> None:
    async with running(slack, tmp_path) as bot:
        ts = await begin(slack, bot)
        slack.freeze()
        async with asyncio.timeout(2 * PING_SECONDS * 10):
            await slack.connected(2)
        bot.model.gate.open()
        assert (await slack.answer_in("DU1", ts, "six")).text == TEXT
        await is_answered(slack)
    assert len(slack.thread("DU1", ts)) == 1


@pytest.mark.fault(
    "F4", "Slack's socket goes half open before an event is acknowledged, and Slack sends it again"
)
async def test_the_event_is_answered_once(slack: SlackEmulator, tmp_path: Path) -> None:
    async with running(slack, tmp_path) as bot:
        bot.model.gate.close()
        ts = await slack.dm("U1", TEXT)
        await slack.until(lambda: bool(slack.envelopes[0].acks))
        slack.envelopes[0].acks.clear()  # as if it had been lost on the way
        slack.freeze()
        await slack.connected(2)
        await slack.redeliver(slack.envelopes[0])
        await slack.acked(slack.envelopes[0])
        bot.model.gate.open()
        await bot.engine.have_settled(1)
    assert [one.text for one in slack.thread("DU1", ts)] == [TEXT]


@pytest.mark.fault("F5", "apps.connections.open answers HTTP 500, HTML and 429 after the socket was lost")
async def test_it_is_asked_again_with_growing_pauses_until_a_socket_stands(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    faults: list[Fault] = [
        Garbage(500),
        Garbage(502),
        Garbage(200),
        RateLimited(1),
        Refused("internal_error"),
    ]
    async with running(slack, tmp_path):
        slack.fail("apps.connections.open", *faults)
        slack.cut()
        await slack.connected(2)
        injected(len(faults))
        await is_answered(slack)
    assert num_opened(slack) <= 2 + len(faults) + 1


@pytest.mark.fault("F5", "the app's token is revoked and the socket is lost")
async def test_the_place_ends_with_one_sentence_instead_of_asking_for_ever(
    slack: SlackEmulator, tmp_path: Path
) -> None:
    async with running(slack, tmp_path) as bot:
        slack.revoked.add(APP_TOKEN)
        slack.cut()
        await bot.task
    about_it = [one for one in bot.states if "SLACK_APP_TOKEN" in one]
    assert about_it == [bot.states[-1]]
    assert "invalid_auth" in about_it[0]
    assert num_opened(slack) <= 4


@pytest.mark.fault("F5", "the bot's token is revoked while people ask")
async def test_the_place_ends_with_one_sentence_and_the_next_start_answers_what_was_asked(
    slack: SlackEmulator, tmp_path: Path
) -> None:
    async with running(slack, tmp_path) as bot:
        slack.revoked.add(BOT_TOKEN)
        ts = await slack.dm("U1", TEXT)
        await bot.task
    assert [one for one in bot.states if "SLACK_BOT_TOKEN" in one] == [bot.states[-1]]
    assert slack.thread("DU1", ts) == []
    assert len(slack.calls) < 20
    slack.revoked.clear()
    async with running(slack, tmp_path) as bot:
        assert (await slack.answer_in("DU1", ts)).text == TEXT


@pytest.mark.fault("F5", "one call is refused as invalid_auth, though the token is good")
async def test_the_token_is_asked_for_again_and_the_place_goes_on(
    slack: SlackEmulator, tmp_path: Path
) -> None:
    async with running(slack, tmp_path) as bot:
        slack.fail("chat.postMessage", Refused("invalid_auth"))
        ts = await slack.dm("U1", TEXT)
        assert (await slack.answer_in("DU1", ts)).text == TEXT
        await is_answered(slack)
        assert not bot.task.done()


HANDSHAKES: dict[str, Callable[[], Fault]] = {
    "refused": lambda: Refused("fatal_error"),
    "reset": lambda: Reset(is_after=False),
    "never answered": lambda: Held(asyncio.Event()),
}


@pytest.mark.fault("F5", "the WebSocket handshake is refused, reset or never answered")
@pytest.mark.parametrize("is_first", [True, False], ids=["at the start", "later"])
@pytest.mark.parametrize("how", HANDSHAKES)
async def test_another_address_is_asked_for_and_the_socket_comes_back(
    slack: SlackEmulator, tmp_path: Path, how: str, *, is_first: bool, injected: Injected
) -> None:
    fault = HANDSHAKES[how]()
    if is_first:
        slack.fail("link", fault, fault)
    async with running(slack, tmp_path) as bot:
        if not is_first:
            slack.fail("link", fault, fault)
            slack.cut()
            await slack.connected(2)
        injected(2)
        await is_answered(slack)
        if isinstance(fault, Held):
            fault.event.set()
        assert any("cannot be opened" in one or "is lost" in one for one in bot.states)
    assert num_opened(slack) <= 12


@pytest.mark.fault("F5", "Slack refuses the tokens at the start")
@pytest.mark.parametrize("name", ["slack_bot_token", "slack_app_token"])
async def test_it_is_told_once_and_nothing_is_tried_again(
    slack: SlackEmulator, tmp_path: Path, name: str
) -> None:
    good = {"slack_bot_token": BOT_TOKEN, "slack_app_token": APP_TOKEN}
    secrets = Secrets(**{**good, name: good[name] + "-wrong"})
    async with running(slack, tmp_path, secrets=secrets, is_waited_for=False) as bot:
        await bot.task
    assert len(bot.states) == 1
    assert name.upper() in bot.states[0]
    assert len(slack.calls) <= 2
