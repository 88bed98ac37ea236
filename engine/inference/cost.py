"""What a step costs, learned from the steps that were made: how many rows it may have, and whether a draft pays. Knows no model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

# While others' text is on its way, a step takes no longer than this for each of those who wait for their first token.
_STALL_SECONDS = 0.25
_MAX_STALL_SECONDS = 1.0
_MAX_STEP_SECONDS = 2.0
_MIN_STEP_TOKENS = 16
_FORGETTING = 0.98
_MIN_SEEN = 8
_MIN_DETERMINANT = 1e-3


def num_passes(counts: Sequence[int]) -> int:
    """How often the weights are read for a step with so many rows of each stream, in the order of the streams.

    llama.cpp computes neighbouring streams together as far as they have the same number of rows: [1, 1, 5] is two passes.
    """
    left, passes = list(counts), 0
    while any(left):
        start = next(at for at, count in enumerate(left) if count)
        end = next((at for at in range(start, len(left)) if not left[at]), len(left))
        taken = min(left[start:end])
        left[start:end] = [count - taken for count in left[start:end]]
        passes += 1
    return passes


@dataclass(slots=True)
class StepCost:
    """Seconds of a step = `pass_seconds` x passes + `row_seconds` x rows: least squares over the latest steps, starting from what
    was measured at the start. As long as all steps are alike, only the sum is learned: their proportion stays as it was.
    """

    max_tokens: int
    pass_seconds: float
    row_seconds: float
    _sums: list[float] = field(default_factory=lambda: [0.0] * 5)
    _num_seen: int = 0

    def seconds(self, passes: int, rows: int) -> float:
        return self.pass_seconds * passes + self.row_seconds * rows

    def learn(self, passes: int, rows: int, seconds: float) -> None:
        # Relative errors count: a long step is not to outweigh all the short ones.
        weight = 1 / max(seconds, 1e-6) ** 2
        new = (passes * passes, passes * rows, rows * rows, passes * seconds, rows * seconds)
        self._sums = [_FORGETTING * one + weight * value for one, value in zip(self._sums, new, strict=True)]
        self._num_seen += 1
        if self._num_seen >= _MIN_SEEN and not self._solve():
            self._rescale()

    def _solve(self) -> bool:
        """What a pass costs and what a row. False when the steps do not say: they are too much alike, or too noisy."""
        pp, pr, rr, pt, rt = self._sums
        determinant = pp * rr - pr * pr
        if determinant < _MIN_DETERMINANT * pp * rr:
            return False
        by_pass, by_row = (pt * rr - rt * pr) / determinant, (rt * pp - pt * pr) / determinant
        if by_pass < 0 or by_row <= 0:
            return False
        self.pass_seconds, self.row_seconds = by_pass, by_row
        return True

    def _rescale(self) -> None:
        """Makes both numbers larger or smaller alike, so that steps like the latest ones are foretold as they were measured."""
        pp, pr, rr, pt, rt = self._sums
        by_pass, by_row = self.pass_seconds, self.row_seconds
        foretold = by_pass * by_pass * pp + 2 * by_pass * by_row * pr + by_row * by_row * rr
        if foretold > 0:
            scale = (by_pass * pt + by_row * rt) / foretold
            self.pass_seconds, self.row_seconds = scale * by_pass, scale * by_row

    def budget_tokens(self, *, num_decoding: int, num_prefilling: int) -> int:
        """How many rows the next step may have, so that nobody's text stalls behind the prompts of the others."""
        seconds = _MAX_STEP_SECONDS
        if num_decoding:
            seconds = min(_MAX_STALL_SECONDS, _STALL_SECONDS * (1 + num_prefilling / num_decoding))
        rows = (seconds - 2 * self.pass_seconds) / max(self.row_seconds, 1e-9)
        return int(max(_MIN_STEP_TOKENS, min(self.max_tokens, rows)))

    def draft_tokens(self, drafts: Sequence[tuple[int, float]]) -> int:
        """How many tokens of each draft are worth verifying; 0 for none.

        `drafts` has a length, which may be 0, and the probability that a token of it is right, for each stream that decodes.
        Tokens a second, with and without, decide.
        """
        best, most = 0, len(drafts) / self.seconds(1, len(drafts))
        for length in range(1, max(one for one, _ in drafts) + 1):
            taken = [(min(length, one), right) for one, right in drafts]
            counts = [1 + one for one, _ in taken]
            expected = sum(1 + _num_expected(one, right) for one, right in taken)
            rate = expected / self.seconds(num_passes(counts), sum(counts))
            if rate > most:
                best, most = length, rate
        return best


def _num_expected(length: int, right: float) -> float:
    """Tokens of a draft that will be accepted: each only when those before it were."""
    return length * right if right >= 1 else right * (1 - right**length) / (1 - right)
