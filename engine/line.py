"""What runs and what waits, and which of it starts next. Knows no clock and no task: only who is let pass by whom.

It can be copied, so that one can look ahead.
"""

from collections.abc import Hashable, Iterator

from engine.configschema import Limits
from engine.lane import Entry, Lane


class Line:
    """At most `num_slots` run; people take turns by what their messages cost; the background has what nobody wants.

    In a conversation one runs at a time, in order of arrival whoever wrote it. A person's own start in order of arrival,
    but for those that something holds up: the next one passes them.
    """

    def __init__(self, num_slots: int, limits: Limits) -> None:
        self.num_slots = num_slots
        self._limits = limits
        self._front, self._background = Lane(limits), Lane(limits)
        self._running: dict[Hashable, Entry] = {}  # by conversation, in the order in which they started

    def copy(self) -> "Line":
        other = Line(self.num_slots, self._limits)
        other._front, other._background = self._front.copy(), self._background.copy()
        other._running = self._running.copy()
        return other

    @property
    def running(self) -> tuple[Entry, ...]:
        return tuple(self._running.values())

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        """Not the background."""
        return self._front.num_waiting

    @property
    def num_waiting_background(self) -> int:
        return self._background.num_waiting

    @property
    def num_known(self) -> int:
        return len(self._running) + self._front.num_known + self._background.num_known

    @property
    def has_waiting(self) -> bool:
        return bool(self._front.num_waiting or self._background.num_waiting)

    @property
    def waiting(self) -> Iterator[Entry]:
        """The background last."""
        yield from self._front
        yield from self._background

    def add(self, entry: Entry) -> None:
        """Lets it wait; `start_next` starts it. Raises as `require_room` does."""
        self.require_room(entry)
        self._lane(entry).add(entry)

    def require_room(self, entry: Entry) -> None:
        """Raises:
        QueueFull: it could not start at once, and the line is full.
        """
        lane = self._lane(entry)
        has_room = self._has_room(is_background=entry.is_background)
        if not (has_room and lane.could_start(entry.origin, self._running)):
            lane.refuse_if_full(entry.origin)

    def start_next(self) -> Entry | None:
        """The next one, started, while there is room for one that is ready."""
        entry = self._front.serve(self._running) if self._has_room(is_background=False) else None
        if entry is None and self._has_room(is_background=True):
            entry = self._background.serve(self._running)
        if entry is not None:
            self._running[entry.origin.conversation] = entry
        return entry

    def drop(self, entry: Entry) -> None:
        """One that waits leaves."""
        self._lane(entry).drop(entry)
        self._look_again()

    def end(self, entry: Entry, refund: int = 0) -> None:
        """One that runs leaves, and gets back what it was charged too much."""
        del self._running[entry.origin.conversation]
        self._lane(entry).end(entry, refund)
        self._look_again()

    def _lane(self, entry: Entry) -> Lane:
        return self._background if entry.is_background else self._front

    def _look_again(self) -> None:
        self._front.look_again()
        self._background.look_again()

    def _has_room(self, *, is_background: bool) -> bool:
        if is_background and self._background.num_running >= max(1, self.num_slots - 1):
            return False
        return len(self._running) < self.num_slots
