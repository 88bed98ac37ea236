"""A law of what is remembered: however small each of them is, all together take no more memory than was said."""

import tracemalloc

import numpy as np
import pytest

from engine.remembered import Remembered


@pytest.mark.parametrize("num_numbers", [1, 3, 64, 4096])
def test_what_is_remembered_takes_no_more_room_than_it_may(num_numbers: int) -> None:
    max_bytes = 1 << 20
    tracemalloc.start()
    try:
        remembered = Remembered(max_bytes)
        for number in range(6000):
            remembered.put(f"{number:064}", np.zeros(num_numbers, dtype=np.float32))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= 1.1 * max_bytes
    assert taken >= 0.5 * max_bytes  # and not much less
    assert remembered.get(f"{5999:064}") is not None


def test_the_last_used_stay() -> None:
    remembered = Remembered(4096)
    kept = np.ones(8, dtype=np.float32)
    remembered.put("asked for", kept)
    for number in range(100):
        remembered.put(str(number), kept)
        assert remembered.get("asked for") is kept
    assert remembered.get("0") is None
    remembered.put("asked for", kept)  # once more is no more
    assert remembered.get("99") is kept
