"""What one process has spent of Slack's minute, told to the next: whatever ends it, whatever became of the file."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots import slack_spent
from bots.slack_budget import Budgets
from bots.slack_spent import Spent
from tests import virtual_time
from tests.emulators.slack_limits import Tiers

WINDOW = 62.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "slack-calls"


def test_the_next_process_knows_the_calls_of_the_last_window_and_no_others(path: Path, clock: Clock) -> None:
    spent = Spent(path, WINDOW, clock)
    for _ in range(10):
        spent.note("posts C1")
        spent.note("starts")
        clock.now += 10.0
    after = Spent(path, WINDOW, clock)
    assert after.ages("posts C1") == after.ages("starts") == [60.0, 50.0, 40.0, 30.0, 20.0, 10.0]
    assert after.ages("posts C2") == []


def test_a_first_start_has_nothing_to_remember_and_its_file_is_for_its_owner_alone(
    path: Path, clock: Clock
) -> None:
    assert Spent(path, WINDOW, clock).ages("starts") == []
    assert path.stat().st_mode & 0o077 == 0


def test_calls_are_told_on_through_several_deaths_in_a_minute(path: Path, clock: Clock) -> None:
    for _ in range(3):
        Spent(path, WINDOW, clock).note("starts")
        clock.now += 5.0
    assert Spent(path, WINDOW, clock).ages("starts") == [15.0, 10.0, 5.0]


def test_the_file_does_not_grow_with_the_days(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_spent, "MAX_LINES", 100)
    spent = Spent(path, WINDOW, clock)
    for _ in range(1000):
        spent.note("appends")
        clock.now += 1.0
    assert len(path.read_bytes().splitlines()) <= 102
    assert len(Spent(path, WINDOW, clock).ages("appends")) == 61


def test_a_line_that_a_full_disk_cut_off_costs_itself_alone(path: Path, clock: Clock) -> None:
    spent = Spent(path, WINDOW, clock)
    spent.note("starts")
    path.write_bytes(path.read_bytes() + b"\n[180000")
    spent.note("starts")
    assert len(Spent(path, WINDOW, clock).ages("starts")) == 2


@given(content=st.binary(max_size=200) | st.sampled_from([b"[" * 100_000, b"[NaN, 1]", b'[1e999, "starts"]']))
def test_whatever_stands_in_the_file_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("spent") / "slack-calls"
    path.write_bytes(content)
    assert Spent(path, WINDOW).ages("starts") == []


def test_a_clock_that_was_set_back_holds_nobody_for_longer_than_a_minute(path: Path, clock: Clock) -> None:
    spent = Spent(path, WINDOW, clock)
    spent.note("starts")
    clock.now -= 3600.0
    assert Spent(path, WINDOW, clock).ages("starts") == []
    clock.now += 3590.0
    assert Spent(path, WINDOW, clock).ages("starts") == []  # it was let go by the start before
    spent.note("stops")
    clock.now -= 5.0
    assert Spent(path, WINDOW, clock).ages("stops") == [0.0]


def test_where_the_file_cannot_be_written_it_is_said_once_and_nothing_fails(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    spent = Spent(tmp_path / "nowhere" / "slack-calls", WINDOW, clock)
    for _ in range(3):
        spent.note("starts")
    assert [one.levelname for one in caplog.records] == ["WARNING"]


CALLED = {
    "starts": "chat.startStream",
    "appends": "chat.appendStream",
    "stops": "chat.stopStream",
    "writes": "chat.update",
    "statuses": "assistant.threads.setStatus",
    "posts": "chat.postMessage",
}


@pytest.mark.parametrize("name", CALLED)
def test_however_often_the_process_is_killed_no_minute_has_more_calls_than_slack_takes(
    name: str, path: Path
) -> None:
    tiers = Tiers()

    async def lives() -> int:
        loop, num_calls = asyncio.get_running_loop(), 0
        for seconds in (0.5, 3.0, 20.0, 0.1, 70.0, 1.0, 1.0, 1.0, 30.0):
            budgets = Budgets.of_a_workspace(path=path, clock=loop.time)
            budget = budgets.posts_in("C1") if name == "posts" else getattr(budgets, name)
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        await budget.turn()
                        tiers.is_exceeded_by(CALLED[name], "C1", loop.time())
                        num_calls += 1
            except TimeoutError:
                continue
        return num_calls

    assert virtual_time.run(lives()) > 30
    assert not tiers.refused
