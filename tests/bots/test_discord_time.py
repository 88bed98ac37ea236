"""Discord's time is that of the newest it told of, and goes on with the steady clock: the machine's counts until then."""

import random

from bots.discord_events import created_at
from bots.discord_time import DiscordTime

BORN = 1_400_000_000_000_000_000


class Clocks:
    def __init__(self) -> None:
        self.wall = self.steady = 100.0
        self.told = DiscordTime(lambda: self.wall, lambda: self.steady)


def later(seconds: int) -> int:
    return BORN + (seconds * 1000 << 22)


def test_until_something_was_heard_it_is_the_machines() -> None:
    assert Clocks().told.now() == 100.0


def test_what_was_heard_counts_on_whatever_becomes_of_the_machines() -> None:
    clocks = Clocks()
    clocks.told.hear(BORN)
    clocks.steady += 30
    for moved in (0.0, -86_400.0, 86_400.0):
        clocks.wall = moved
        assert clocks.told.now() == created_at(BORN) + 30


def test_what_comes_late_sets_nothing_back() -> None:
    clocks = Clocks()
    late = [random.Random(1).randrange(1000) for _ in range(20)]
    for seconds in late:
        clocks.told.hear(later(seconds))
    assert clocks.told.now() == created_at(later(max(late)))


def test_a_machine_that_has_slept_learns_it_from_what_comes_next() -> None:
    clocks = Clocks()
    clocks.told.hear(BORN)
    clocks.steady += 1
    clocks.told.hear(later(8 * 3600))
    assert clocks.told.now() == created_at(later(8 * 3600))
