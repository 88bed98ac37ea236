"""Those who wait, and which of them starts next. Knows no clock, no task and no number of slots.

Limits count in a lane by itself; it can be copied, so that one can look ahead.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field

from engine.configschema import Limits
from engine.errors import QueueFull, Whose
from engine.fairness import Rounds

_Party = tuple[Whose, Hashable]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message comes from, as keys. A person is one of a workspace, a channel and a conversation too."""

    person: Hashable
    conversation: Hashable
    channel: Hashable = ""
    workspace: Hashable = ""

    parties: tuple[_Party, ...] = field(init=False, repr=False, compare=False)  # whose limits count

    def __post_init__(self) -> None:
        parties = (
            (Whose.PERSON, self.person),
            (Whose.CHANNEL, self.channel),
            (Whose.WORKSPACE, self.workspace),
            (Whose.EVERYBODY, None),
        )
        object.__setattr__(self, "parties", parties)


@dataclass(eq=False, slots=True)
class Entry:
    """One message in the line. `cost_tokens` is what it is charged with: a guess until it has been answered."""

    origin: Origin
    cost_tokens: int
    is_background: bool = False


class Lane:
    """Either the people who wait for an answer, or the background."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._max_waiting, self._max_running = _waiting_limits(limits), _running_limits(limits)
        self._people: dict[Hashable, list[Entry]] = {}  # who waits, by arrival
        self._conversations: dict[Hashable, list[Entry]] = {}  # likewise
        self._waiting: Counter[_Party] = Counter()
        self._running: Counter[_Party] = Counter()
        self._rounds = Rounds()
        self._held_up: set[Hashable] = set()  # people whose turn came when nothing of theirs could start

    def copy(self) -> "Lane":
        other = Lane(self._limits)
        other._people = {person: entries.copy() for person, entries in self._people.items()}
        other._conversations = {key: entries.copy() for key, entries in self._conversations.items()}
        other._waiting, other._running = self._waiting.copy(), self._running.copy()
        other._rounds, other._held_up = self._rounds.copy(), self._held_up.copy()
        return other

    @property
    def num_waiting(self) -> int:
        return self._waiting[Whose.EVERYBODY, None]

    @property
    def num_running(self) -> int:
        return self._running[Whose.EVERYBODY, None]

    @property
    def num_known(self) -> int:
        """How much is remembered of whom, in all."""
        num_waiting = len(self._people) + len(self._conversations) + len(self._held_up)
        return num_waiting + len(self._waiting) + len(self._running) + self._rounds.num_known

    def __iter__(self) -> Iterator[Entry]:
        for entries in self._people.values():
            yield from entries

    def refuse_if_full(self, origin: Origin) -> None:
        """Raises QueueFull when one more would be more than may wait."""
        for whose, key in origin.parties:
            max_waiting = self._max_waiting[whose]
            if self._waiting[whose, key] >= max_waiting:
                raise QueueFull(max_waiting, whose)

    def could_start(self, origin: Origin, busy: Collection[Hashable]) -> bool:
        """Whether a new one from there would find nothing in its way."""
        return origin.conversation not in self._conversations and self._is_free(origin, busy)

    def add(self, entry: Entry) -> None:
        origin = entry.origin
        entries = self._people.setdefault(origin.person, [])
        entries.append(entry)
        self._conversations.setdefault(origin.conversation, []).append(entry)
        self._waiting.update(origin.parties)
        self._rounds.join(origin.person)
        if len(entries) == 1 or origin.person in self._held_up:
            self._try_again(origin.person)

    def drop(self, entry: Entry) -> None:
        """It waits no more."""
        origin = entry.origin
        _remove(self._conversations, origin.conversation, entry)
        _subtract(self._waiting, origin)
        if _remove(self._people, origin.person, entry):
            self._rounds.leave(origin.person)
            self._held_up.discard(origin.person)
            self._forget_if_gone(origin.person)
        else:
            self._try_again(origin.person)

    def serve(self, busy: Collection[Hashable]) -> Entry | None:
        """The entry that starts next, charged and started. `busy` are the conversations that something runs in."""
        while (person := self._rounds.next()) is not None:
            entry = self._first_free(person, busy)
            if entry is None:
                self._rounds.hold(person)
                self._held_up.add(person)
            elif entry.cost_tokens != self._rounds.wanted(person):
                self._rounds.want(person, entry.cost_tokens)  # what the person saved for is held up
            else:
                self._rounds.serve(person)
                self._running.update(entry.origin.parties)
                self.drop(entry)
                return entry
        return None

    def end(self, entry: Entry, refund: int) -> None:
        """It runs no more."""
        _subtract(self._running, entry.origin)
        self._rounds.settle(entry.origin.person, refund)
        self._forget_if_gone(entry.origin.person)

    def look_again(self) -> None:
        """Something has left: what was held up may be free now."""
        for person in tuple(self._held_up):
            self._try_again(person)

    def _try_again(self, person: Hashable) -> None:
        self._held_up.discard(person)
        self._rounds.want(person, self._people[person][0].cost_tokens)

    def _first_free(self, person: Hashable, busy: Collection[Hashable]) -> Entry | None:
        for entry in self._people[person]:
            is_first = self._conversations[entry.origin.conversation][0] is entry
            if is_first and self._is_free(entry.origin, busy):
                return entry
        return None

    def _is_free(self, origin: Origin, busy: Collection[Hashable]) -> bool:
        if origin.conversation in busy:
            return False
        return all(self._running[party] < self._max_running[party[0]] for party in origin.parties[:-1])

    def _forget_if_gone(self, person: Hashable) -> None:
        if person not in self._people and not self._running[Whose.PERSON, person]:
            self._rounds.forget(person)


def _running_limits(limits: Limits) -> dict[Whose, int]:
    return {
        Whose.PERSON: limits.running_per_person,
        Whose.CHANNEL: limits.running_per_channel,
        Whose.WORKSPACE: limits.running_per_workspace,
    }


def _waiting_limits(limits: Limits) -> dict[Whose, int]:
    return {
        Whose.PERSON: limits.waiting_per_person,
        Whose.CHANNEL: limits.waiting_per_channel,
        Whose.WORKSPACE: limits.waiting_per_workspace,
        Whose.EVERYBODY: limits.waiting,
    }


def _remove(lines: dict[Hashable, list[Entry]], key: Hashable, entry: Entry) -> bool:
    """Whether the line became empty. Then it goes too."""
    lines[key].remove(entry)
    if lines[key]:
        return False
    del lines[key]
    return True


def _subtract(counts: Counter[_Party], origin: Origin) -> None:
    """A count of nothing goes too."""
    for party in origin.parties:
        counts[party] -= 1
        if not counts[party]:
            del counts[party]
