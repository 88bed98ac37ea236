"""How much a place has under way, for whom, and who was told that it is too much. Knows no platform and no words."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic

from engine import Limits, QueueFull, UnderstudyError, Whose, sentence

NOTICE_SECONDS = 60.0
MAX_TOLD = 10_000  # people who are remembered as told
# Twice what may run and wait: an answer that is still being shown has left the engine's line already.
SHARE_OF_LIMITS = 2

MAX_PRESSES = 500  # buttons, windows and the home tab, at a time
MAX_PRESSES_OF_ONE = 20
MAX_NEWS = 1000  # edits, deletions, new channels
MAX_ARRIVING = 2000
MAX_NOTICES = 50


class Intake:
    """What has come in and is not done with, by a key of its own and by person. Both are bounded."""

    def __init__(self, max_of_one: int, max_of_all: int) -> None:
        self._max_of_one, self._max_of_all = max_of_one, max_of_all
        self._inside: dict[Hashable, Hashable] = {}
        self._people: Counter[Hashable] = Counter()

    @classmethod
    def of_messages(cls, limits: Limits, num_slots: int) -> "Intake":
        of_one = SHARE_OF_LIMITS * (limits.running_per_person + limits.waiting_per_person)
        return cls(of_one, SHARE_OF_LIMITS * (num_slots + limits.waiting))

    def __len__(self) -> int:
        return len(self._inside)

    def enter(self, key: Hashable, person: Hashable) -> bool:
        """Whether it was not inside already.

        Raises:
            QueueFull: there is no room for it; it did not enter.
        """
        if key in self._inside:
            return False
        if self._people[person] >= self._max_of_one:
            raise QueueFull(self._max_of_one, Whose.PERSON)
        if len(self._inside) >= self._max_of_all:
            self._forget_if_gone(person)
            raise QueueFull(self._max_of_all, Whose.EVERYBODY)
        self.let_in(key, person)
        return True

    def let_in(self, key: Hashable, person: Hashable) -> None:
        """What was kept before, and is owed an answer however many there are."""
        if key not in self._inside:
            self._inside[key] = person
            self._people[person] += 1

    def leave(self, key: Hashable) -> None:
        """A second call does nothing."""
        if key in self._inside:
            person = self._inside.pop(key)
            self._people[person] -= 1
            self._forget_if_gone(person)

    def _forget_if_gone(self, person: Hashable) -> None:
        if not self._people[person]:
            del self._people[person]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one place bounds. `arriving` is what is not kept yet, `notices` are those being said."""

    messages: Intake
    arriving: Intake
    presses: Intake
    news: Intake
    notices: Intake
    told: "Notices"

    @classmethod
    def of(cls, limits: Limits, num_slots: int) -> "Bounds":
        return cls(
            messages=Intake.of_messages(limits, num_slots),
            arriving=Intake(MAX_ARRIVING, MAX_ARRIVING),
            presses=Intake(MAX_PRESSES_OF_ONE, MAX_PRESSES),
            news=Intake(MAX_NEWS, MAX_NEWS),
            notices=Intake(1, MAX_NOTICES),
            told=Notices(),
        )


def told_of(refusal: UnderstudyError) -> str:
    """What a notice is about: however long the line is by now, that it is full is one thing to be told."""
    return "the line is full" if isinstance(refusal, QueueFull) else sentence(refusal)


class Notices:
    """The same person is told the same thing once a minute, or once in `quiet_seconds`, however often it is true."""

    def __init__(self, clock: Callable[[], float] = monotonic, quiet_seconds: float = NOTICE_SECONDS) -> None:
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._told_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._told_at)

    def may_tell(self, person: Hashable, about: str) -> bool:
        """Counts it as told."""
        now = self._clock()
        self._forget_until(now - self._quiet_seconds)
        if (person, about) in self._told_at:
            return False
        self._told_at[person, about] = now
        return True

    def _forget_until(self, limit: float) -> None:
        """The oldest come first."""
        while self._told_at:
            key, told_at = next(iter(self._told_at.items()))
            if told_at > limit and len(self._told_at) < MAX_TOLD:
                return
            del self._told_at[key]
