"""Laws of the places in the KV cache, on a context that keeps its states in a dict."""

from hypothesis import given
from hypothesis import strategies as st

from engine.inference.slots import Prefix, Slots


class Cells:
    """A KV cache that knows for each stream which prefix is in it."""

    def __init__(self, num_slots: int) -> None:
        self.num_slots = num_slots
        self.held: dict[int, bytes] = {}

    def clear(self, slot: int) -> None:
        self.held.pop(slot, None)

    def save(self, slot: int) -> bytes:
        return self.held[slot]

    def restore(self, slot: int, state: bytes) -> bool:
        self.held[slot] = state
        return True


def make(num_slots: int = 3, max_prefix_bytes: int = 100) -> tuple[Cells, Slots]:
    cells = Cells(num_slots)
    return cells, Slots(cells, max_prefix_bytes=max_prefix_bytes, min_prefix_tokens=2)


def prefix(number: int) -> Prefix:
    return tuple([number] * 4)


def read(cells: Cells, slots: Slots, wanted: Prefix) -> tuple[int, int]:
    """Takes a stream and computes the prefix in it when it is not there."""
    slot, num_cached = slots.take(wanted)
    if not num_cached:
        cells.held[slot] = bytes(wanted) * 5
        slots.keep(slot, wanted)
    return slot, num_cached


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=40))
def test_free_and_used_streams_are_always_all_and_a_free_one_is_empty(moves: list[tuple[bool, int]]) -> None:
    cells, slots = make()
    used: list[tuple[int, Prefix]] = []
    for is_coming, number in moves:
        if is_coming and slots.num_free and not slots.is_being_read(prefix(number)):
            slot, _ = read(cells, slots, prefix(number))
            assert cells.held[slot] == bytes(prefix(number)) * 5  # never another skill's
            used.append((slot, prefix(number)))
        elif not is_coming and used:
            slots.give_back(*used.pop(number % len(used)), is_read=True)
        assert slots.num_free + len(used) == cells.num_slots
        assert set(cells.held) == {slot for slot, _ in used}
        assert len({slot for slot, _ in used}) == len(used)


@given(st.lists(st.integers(0, 20), max_size=40))
def test_prefixes_stay_within_their_memory(numbers: list[int]) -> None:
    cells, slots = make(max_prefix_bytes=70)
    for number in numbers:
        slot, _ = read(cells, slots, prefix(number))
        slots.give_back(slot, prefix(number), is_read=True)
        assert slots.num_prefix_bytes <= 70


def test_the_least_recently_used_prefix_makes_room() -> None:
    cells, slots = make(max_prefix_bytes=40)
    for number in (1, 2, 1, 3):  # 3 puts 2 out
        slot, _ = read(cells, slots, prefix(number))
        slots.give_back(slot, prefix(number), is_read=True)
    cached = []
    for number in (1, 2):
        slot, num_cached = slots.take(prefix(number))
        cached.append(num_cached)
        slots.give_back(slot, prefix(number), is_read=bool(num_cached))
    assert cached == [4, 0]


def test_a_reader_that_leaves_early_lets_the_next_one_read() -> None:
    _, slots = make()
    slot, _ = slots.take(prefix(1))
    assert slots.is_being_read(prefix(1))
    slots.give_back(slot, prefix(1), is_read=False)
    assert not slots.is_being_read(prefix(1))


def test_the_lowest_free_stream_is_given_first() -> None:
    _, slots = make()
    taken = [slots.take(())[0] for _ in range(3)]
    slots.give_back(taken[2], (), is_read=True)
    slots.give_back(taken[0], (), is_read=True)
    assert slots.take(())[0] == 0
