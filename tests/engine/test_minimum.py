"""The lowest point of a smooth function is found."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.minimum import Vector, minimum


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_the_bottom_of_a_bowl_is_found(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    bottom = random.normal(size=size)
    sides = random.uniform(0.1, 10, size)

    def loss(at: Vector) -> tuple[float, Vector]:
        return float((sides * (at - bottom) ** 2).sum()) / 2 + 3, sides * (at - bottom)

    found, _ = loss(minimum(loss, np.zeros(size), max_steps=200))
    assert found <= 3 * 1.001  # it stops where a step no longer pays, which a flat side does early


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 6))
def test_no_step_goes_up(seed: int, max_steps: int) -> None:
    random = np.random.default_rng(seed)
    bends = random.normal(size=5)

    def loss(at: Vector) -> tuple[float, Vector]:
        waves = np.cos(bends * at)
        return float((at**2).sum() / 2 - waves.sum()), at + bends * np.sin(bends * at)

    start = random.normal(size=5) * 3
    assert loss(minimum(loss, start, max_steps=max_steps))[0] <= loss(start)[0]


def test_at_the_bottom_it_stays() -> None:
    assert minimum(lambda at: (0.0, np.zeros(2)), np.ones(2), max_steps=9).tolist() == [1.0, 1.0]
