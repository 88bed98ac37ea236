"""A KV cache and a model without weights: what comes next is a hash of all tokens before it. Checks each call as llama.cpp would.

With it the scheduler's laws can be tried thousands of times: an answer is right only if the stream it was computed in
held exactly the tokens of its sequence.
"""

import json
import zlib
from collections.abc import Sequence

from engine.inference.context import DecodeCode, Rows
from engine.inference.tap import StateWish

NUM_VOCABULARY = 60
END = 59


class FakeContext:
    """`codes` are what the next decodes return; after them everything is fine."""

    def __init__(self, *, num_slots: int = 3, slot_tokens: int = 64, max_batch_tokens: int = 32) -> None:
        self.num_slots, self.slot_tokens, self.max_batch_tokens = num_slots, slot_tokens, max_batch_tokens
        self.streams: list[list[int]] = [[] for _ in range(num_slots)]
        self.codes: list[int] = []
        self.num_computed_rows = 0
        self.row_limit = 10_000
        self._behind: dict[int, tuple[int, ...]] = {}
        self.state_layers = (1, 2)
        self._states: tuple[float, ...] | None = None
        self._shallow: set[int] = set()  # streams whose deeper layers hold nothing
        self.bad_after: tuple[int, ...] | None = None
        self.bad_states_after: tuple[int, ...] | None = None

    def decode(self, rows: Rows, wish: StateWish | None = None) -> int:
        assert 0 < len(rows) <= self.max_batch_tokens
        assert rows.sequence_ids == sorted(rows.sequence_ids)
        code = self.codes.pop(0) if self.codes else DecodeCode.FINE
        if len(rows) > self.row_limit:
            code = DecodeCode.NO_ROOM
        if code == DecodeCode.BAD_BATCH:
            return code
        self._behind.clear()
        self._states = None
        if wish is not None:
            assert len(set(rows.sequence_ids)) == 1, "the rows of a step with a wish are one sequence's"
        if wish is not None and wish.is_cut_short:
            self._shallow |= set(rows.sequence_ids)
            assert not any(rows.wants_logits)
        else:
            assert not self._shallow & set(rows.sequence_ids), (
                "deeper layers know nothing of what stands before"
            )
        for row, (token, position, slot) in enumerate(
            zip(rows.tokens, rows.positions, rows.sequence_ids, strict=True)
        ):
            stream = self.streams[slot]
            assert position == len(stream), "positions must be consecutive"
            assert position < self.slot_tokens
            stream.append(token)
            if code != DecodeCode.FINE and row >= len(rows) // 2:
                return code  # what came before stays behind
            if rows.wants_logits[row]:
                self._behind[row] = tuple(stream)
            if wish is not None and row == wish.row:
                self._states = tuple(float(token) for token in stream) * wish.num_states
        self.num_computed_rows += len(rows)
        return code

    def next_token(self, row: int) -> int:
        return next_token(self._behind[row])

    def has_sound_logits(self, row: int) -> bool:
        return self._behind[row] != self.bad_after

    def log_probabilities(self, row: int, tokens: Sequence[int]) -> list[float]:
        return [log_probability(self._behind[row], token) for token in tokens]

    def states(self) -> tuple[float, ...]:
        assert self._states is not None
        is_bad = self.bad_states_after is not None and self._states[: len(self.bad_states_after)] == tuple(
            map(float, self.bad_states_after)
        )
        return (float("nan"),) if is_bad else self._states

    def clear(self, slot: int) -> None:
        self.streams[slot].clear()
        self._shallow.discard(slot)

    def truncate(self, slot: int, num_tokens: int) -> bool:
        del self.streams[slot][num_tokens:]
        return True

    def save(self, slot: int) -> bytes:
        return (b" " if slot in self._shallow else b"") + json.dumps(self.streams[slot]).encode()

    def restore(self, slot: int, state: bytes) -> bool:
        self.clear(slot)
        self.streams[slot][:] = json.loads(state)
        if state.startswith(b" "):
            self._shallow.add(slot)
        return True


def next_token(tokens: Sequence[int]) -> int:
    """Often what followed the last token before, so that drafts come true now and then; the end, sometimes."""
    digest = zlib.crc32(repr(tuple(tokens)).encode())
    if digest % 3 and tokens[-1] in tokens[:-1]:
        return tokens[tokens.index(tokens[-1]) + 1]
    return digest % NUM_VOCABULARY


def log_probability(tokens: Sequence[int], token: int) -> float:
    return -(zlib.crc32(repr((tuple(tokens), token)).encode()) % 1000) / 100


class FakeSampler:
    def __init__(self) -> None:
        self.is_closed = False

    def sample(self, context: FakeContext, row: int) -> int:
        assert not self.is_closed
        return context.next_token(row)

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


class FakeModel:
    """Its tokens are characters, from `A` on."""

    is_rewindable = True
    end_token = END

    def is_end(self, token: int) -> bool:
        return token == END

    def piece(self, token: int) -> bytes:
        return bytes([65 + token])


def written_alone(prompt: Sequence[int], max_tokens: int) -> str:
    """What the model writes behind `prompt` when nobody else is there."""
    tokens, text = list(prompt), ""
    for _ in range(max_tokens):
        token = next_token(tokens)
        if token == END:
            break
        tokens.append(token)
        text += chr(65 + token)
    return text
