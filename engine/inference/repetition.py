"""Whether a completion runs in a circle. Knows token numbers, no model."""

from collections.abc import Sequence

_MAX_PERIOD_TOKENS = 32
_MIN_REPEATED_TOKENS = 96  # a table's rule or a list of the same may be meant; this much of the same is not


def is_loop(tokens: Sequence[int]) -> bool:
    """Whether the last tokens are the same few, again and again."""
    tail = list(tokens[-_MIN_REPEATED_TOKENS - _MAX_PERIOD_TOKENS :])
    if len(tail) < _MIN_REPEATED_TOKENS + _MAX_PERIOD_TOKENS:
        return False
    last = tail[-_MIN_REPEATED_TOKENS:]
    return any(
        tail[-_MIN_REPEATED_TOKENS - period : -period] == last for period in range(1, _MAX_PERIOD_TOKENS + 1)
    )
