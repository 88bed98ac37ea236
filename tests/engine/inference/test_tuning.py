"""What is chosen where the config leaves it open."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from engine.inference import tuning
from engine.inference.wire import CacheType, Load


@dataclass
class Model:
    trained_tokens: int = 8192
    values_per_token: int = 11_520


def plan(free_bytes: int, *, load: Load | None = None, has_gpu: bool = False, model: Model | None = None):
    return tuning.cache_plan(load or Load("m"), model or Model(), has_gpu=has_gpu, free_bytes=free_bytes)


@given(
    st.integers(0, 200_000),
    st.integers(1, 64),
    st.integers(1, 1 << 20),
    st.integers(0, 1 << 40),
    st.booleans(),
)
def test_the_cache_fits_into_its_share_of_memory_or_is_as_small_as_it_may_be(
    trained: int, num_slots: int, values_per_token: int, free: int, has_gpu: bool
) -> None:
    chosen = plan(
        free, load=Load("m", num_slots=num_slots), has_gpu=has_gpu, model=Model(trained, values_per_token)
    )
    assert chosen.num_slots == num_slots
    assert chosen.slot_tokens <= 4096
    assert not trained or chosen.slot_tokens <= trained
    size = chosen.slot_tokens * num_slots * values_per_token
    size *= 2 if chosen.cache_type is CacheType.F16 else 34 / 32
    assert size <= free / 4 or chosen.slot_tokens <= 512


def test_plenty_of_memory_gives_a_long_context_in_f16() -> None:
    chosen = plan(64 << 30)
    assert (chosen.slot_tokens, chosen.cache_type) == (4096, CacheType.F16)


def test_little_memory_gives_half_the_bytes_before_it_gives_a_short_context() -> None:
    needed = 4 * 4096 * Model().values_per_token  # bytes in q8_0, nearly
    chosen = plan(int(needed * 4 * 1.1))
    assert (chosen.slot_tokens, chosen.cache_type, chosen.has_flash_attention) == (4096, CacheType.Q8_0, True)


def test_what_config_says_is_what_is_done() -> None:
    load = Load("m", num_slots=3, context_tokens=9000, cache_type=CacheType.F16, has_flash_attention=True)
    chosen = plan(1 << 20, load=load)
    assert chosen == tuning.CachePlan(3, 9000, CacheType.F16, has_flash_attention=True)
    assert not plan(64 << 30, load=Load("m", has_flash_attention=False), has_gpu=True).has_flash_attention
    assert plan(64 << 30, load=Load("m", cache_type=CacheType.Q8_0)).has_flash_attention  # it needs it


def test_flash_attention_is_for_cards() -> None:
    assert plan(64 << 30, has_gpu=True).has_flash_attention
    assert not plan(64 << 30).has_flash_attention


def test_an_exact_cache_is_f32_without_flash_attention() -> None:
    chosen = plan(64 << 30, load=Load("m", is_exact=True), has_gpu=True)
    assert (chosen.cache_type, chosen.has_flash_attention) == (CacheType.F32, False)


def test_this_machine_has_memory_and_cores() -> None:
    assert tuning.free_memory_bytes() > 64 << 20
    assert tuning.usable_cores() >= 1
