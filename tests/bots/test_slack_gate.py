"""No crowd makes the bot call a method more often than Slack takes: what nobody plans waits for its turn."""

import asyncio
from collections import Counter
from collections.abc import Coroutine

import pytest

from bots.slack_api import ApiFailed, Payload, Upload
from bots.slack_budget import UNPLANNED, UPLOADS, Budgets
from bots.slack_gate import Gate
from bots.slack_status import Sessions, Status
from bots.slack_stream import Streaming, StreamWriter
from bots.slack_thread import Recipient, Thread
from bots.surface import Controls, File
from bots.writer import MAX_MESSAGES, Draft, Stage
from engine import JsonValue
from tests import virtual_time
from tests.emulators import slack_limits, slack_spec
from tests.emulators.slack_limits import Tiers

CROWD = 250


class CountingApi:
    """Slack's tiers alone. Of what it was told, some calls are refused: `still_streams`, until they are stopped; `has_no_blocks`."""

    def __init__(self) -> None:
        self.tiers = Tiers()
        self.calls: Counter[str] = Counter()
        self.still_streams: set[str] = set()
        self.has_no_blocks = False

    async def call(self, method: str, **arguments: JsonValue) -> Payload:
        channel, ts = str(arguments.get("channel", "")), str(arguments.get("ts", ""))
        self.tiers.is_exceeded_by(method, channel, asyncio.get_running_loop().time())
        self.calls[method] += 1
        if method == "chat.stopStream":
            self.still_streams.discard(ts)
        if ts in self.still_streams:
            raise ApiFailed("streaming_state_conflict")
        if self.has_no_blocks and arguments.get("blocks"):
            raise ApiFailed("invalid_blocks")
        return {"channel": channel, "ts": f"1800000000.{self.calls.total():06}"}

    async def upload(self, upload: Upload) -> None:
        await self.call(UPLOADS)

    async def download(self, url: str, max_bytes: int) -> bytes:
        raise NotImplementedError


async def all_of(*calls: Coroutine[None, None, object]) -> None:
    await asyncio.gather(*calls)


def thread(api: CountingApi, budgets: Budgets, number: int = 0, *, is_bot: bool = False) -> Thread:
    return Thread(
        Gate(api, budgets),
        *("C1", f"17.{number}", Recipient("T1", f"U{number}", is_bot=is_bot), f"slack:T1:C1:17.{number}"),
        budgets=budgets,
    )


@pytest.mark.skipif(not slack_spec.is_present(), reason="Slack's list of methods is absent")
@pytest.mark.parametrize("method", UNPLANNED)
def test_each_budget_stays_below_what_slack_says_of_its_method(method: str) -> None:
    assert UNPLANNED[method] < slack_limits.CALLS_A_MINUTE[slack_spec.tier(method)]


@pytest.mark.parametrize("method", UNPLANNED)
def test_a_crowd_calls_a_method_as_often_as_slack_takes_it_and_each_call_is_made(method: str) -> None:
    api = CountingApi()

    async def crowd() -> None:
        gate = Gate(api, Budgets.of_a_workspace())
        upload = Upload("C1", "1.2", File.of_text("a.md", "text"))
        await all_of(*(gate.upload(upload) if method == UPLOADS else gate.call(method) for _ in range(CROWD)))

    virtual_time.run(crowd())
    assert api.calls == {method: CROWD}
    assert not api.tiers.refused


def test_streams_that_are_ended_so_that_they_can_be_edited_are_ended_in_turn() -> None:
    api = CountingApi()
    api.still_streams = {f"18.{number}" for number in range(30)}

    async def edits() -> None:
        budgets = Budgets.of_a_workspace()
        one = thread(api, budgets)

        async def edit(ref: str) -> None:
            await budgets.writes.turn()
            await one.edit(ref, "text", Controls.NONE)

        await all_of(*map(edit, sorted(api.still_streams)), *(one.end_stream(f"19.{n}") for n in range(30)))

    virtual_time.run(edits())
    assert api.calls["chat.stopStream"] == 60
    assert not api.tiers.refused


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update", "chat.stopStream"])
def test_what_is_written_once_more_without_its_buttons_is_counted_once_more(method: str) -> None:
    api = CountingApi()
    api.has_no_blocks = True

    async def writes() -> None:
        budgets = Budgets.of_a_workspace()
        one = thread(api, budgets)

        async def write() -> None:
            await budgets.of_write(method, "C1").turn()
            match method:
                case "chat.postMessage":
                    await one.post("text", Controls(can_rate=True))
                case "chat.update":
                    await one.edit("1.2", "text", Controls(can_rate=True))
                case _:
                    await one.stop_stream("1.2", "text", Controls(can_rate=True))

        await all_of(*(write() for _ in range(50)))

    virtual_time.run(writes())
    assert api.calls[method] == 100
    assert not api.tiers.refused


def test_the_later_messages_of_long_answers_are_counted_with_those_of_their_channel() -> None:
    """In one channel, to people who want no stream."""
    api = CountingApi()
    long = " ".join(f"word{number}" for number in range(4000))

    async def answer(number: int, budgets: Budgets) -> None:
        one = thread(api, budgets, number, is_bot=True)
        status = Status(one._api, Sessions(one._api, budgets.sessions), budgets.statuses, "C1", "17.1")

        async def remember(refs: tuple[str, ...]) -> None:
            pass

        writer = StreamWriter(one, Streaming(budgets), status, (), remember)
        writer.show(Draft(long, Stage.FINAL))
        await writer.run()

    async def answers() -> None:
        budgets = Budgets.of_a_workspace()
        await all_of(*(answer(number, budgets) for number in range(60)))

    virtual_time.run(answers())
    assert api.calls["chat.postMessage"] == 60 * MAX_MESSAGES
    assert not api.tiers.refused
