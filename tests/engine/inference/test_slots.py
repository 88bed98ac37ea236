"""Laws of the streams of the KV cache."""

from hypothesis import given
from hypothesis import strategies as st

from engine.inference.slots import Slots


class Cells:
    """Knows which streams hold something."""

    def __init__(self, num_slots: int) -> None:
        self.num_slots = num_slots
        self.held: dict[int, str] = {}

    def clear(self, slot: int) -> None:
        self.held.pop(slot, None)

    def move(self, source: int, target: int) -> bool:
        assert target not in self.held
        self.held[target] = self.held[source]
        return True


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40))
def test_free_and_used_streams_are_always_all_and_the_used_ones_are_neighbours(
    num_slots: int, moves: list[tuple[bool, int]]
) -> None:
    cells = Cells(num_slots)
    slots = Slots(cells)
    names = 0
    for is_coming, number in moves:
        if is_coming and slots.num_free:
            slot = slots.take()
            assert slot not in cells.held
            cells.held[slot] = f"sequence {names}"
            names += 1
        elif not is_coming and cells.held:
            slots.give_back(sorted(cells.held)[number % len(cells.held)])
        before = sorted(cells.held.values())
        slots.close_gaps(cells.move)
        assert sorted(cells.held.values()) == before
        assert set(cells.held) == set(range(len(before)))
        assert slots.num_free + slots.num_used == num_slots
        assert slots.num_used == len(before)


def test_a_stream_that_cannot_be_moved_stays_where_it_is() -> None:
    cells = Cells(3)
    slots = Slots(cells)
    for _ in range(3):
        cells.held[slots.take()] = "x"
    slots.give_back(0)
    slots.close_gaps(lambda _source, _target: False)
    assert set(cells.held) == {1, 2}
    assert slots.take() == 0
