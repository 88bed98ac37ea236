"""Which tokens of which sequences are computed in the next step. Knows what a step costs, and no KV cache."""

from collections.abc import Collection
from dataclasses import dataclass

from engine.inference.cost import StepCost
from engine.inference.lookup import NO_DRAFT, Draft
from engine.inference.sequence import Generation, Scoring, Sequence, Skimming
from engine.inference.tap import StateWish


@dataclass(slots=True, eq=False)
class Share:
    """What one sequence computes in a step: `tokens`, of which the last `num_wanted` say what may come next. With a `wish` it has
    the step to itself.
    """

    sequence: Sequence
    tokens: list[int]
    num_wanted: int = 0
    first_row: int = -1
    wish: StateWish | None = None

    @property
    def wanted_rows(self) -> range:
        end = self.first_row + len(self.tokens)
        return range(end - self.num_wanted, end)


class Shares:
    """Each sequence that is writing gets its row, prompts fill the rest; a message whose states are wanted is read in steps of its
    own, and every other one is for the rest.
    """

    def __init__(self, cost: StepCost, max_batch_tokens: int, num_states: int) -> None:
        """`num_states` is how many there are of one row."""
        self.cost, self._max_batch_tokens, self._num_states = cost, max_batch_tokens, num_states
        self._was_alone = self._is_oldest_next = False

    def next(self, running: Collection[Sequence]) -> list[Share]:
        """Never empty where somebody runs."""
        if share := self._share_alone(running):
            return [share]
        ready = self._that_fit([_next_share(one) for one in running if one.is_ready])
        is_asked = any(one.is_alone and not one.is_background for one in running)
        reading = [
            one for one in running if not (one.is_ready or one.is_alone or (is_asked and one.is_background))
        ]
        if reading:
            return ready + self._prompt_shares(reading, ready)
        return self._with_drafts(ready)

    def _share_alone(self, running: Collection[Sequence]) -> Share | None:
        """The next piece of a message whose states are wanted. Every other step is for those who write, or read something else."""
        alone = [one for one in running if one.is_alone]
        others = [one for one in running if not one.is_alone]
        asked = [one for one in (*alone, *others) if not one.is_background and not one.is_ready]
        if asked:  # somebody waits for a first token: what is read in the background can wait
            alone = [one for one in alone if not one.is_background]
            others = [one for one in others if one.is_ready or not one.is_background]
        self._was_alone = bool(alone) and not (others and self._was_alone)
        if not self._was_alone:
            return None
        num_writing = sum(one.is_ready for one in others)
        room = self.cost.budget_tokens(num_decoding=num_writing, num_prefilling=len(alone))
        oldest, shortest = min(alone, key=_age), min(alone, key=_length)
        self._is_oldest_next = not self._is_oldest_next
        return self._piece_alone(oldest if self._is_oldest_next else shortest, room)

    def _that_fit(self, shares: list[Share]) -> list[Share]:
        """The labels of many choices can be more rows than a step may have: who came later has its turn in the next one."""
        room = self._max_batch_tokens
        taken: list[Share] = []
        for share in shares:
            if len(share.tokens) <= room:
                taken.append(share)
                room -= len(share.tokens)
        return taken

    def _prompt_shares(self, reading: list[Sequence], ready: list[Share]) -> list[Share]:
        """The room beside the writing ones: half of it for who has waited longest, then the shortest prompt first."""
        room = self.cost.budget_tokens(num_decoding=len(ready), num_prefilling=len(reading))
        room = min(room, self._room_beside(ready))
        asked = [one for one in reading if not one.is_background] or reading
        oldest = min(asked, key=lambda one: one.waiting_since)
        shares: list[Share] = []
        for sequence in (oldest, *sorted(asked, key=lambda one: one.num_to_read)):
            if sequence is oldest and shares:
                continue
            most = max(1, room // 2) if sequence is oldest and len(asked) > 1 else room
            if share := _prompt_share(sequence, min(most, room)):
                shares.append(share)
                room -= len(share.tokens)
        return shares

    def _room_beside(self, shares: list[Share]) -> int:
        return self._max_batch_tokens - sum(len(share.tokens) for share in shares)

    def _with_drafts(self, shares: list[Share]) -> list[Share]:
        """Guesses of what they will write, where checking them costs less than it spares."""
        shares.sort(key=lambda one: one.sequence.slot)
        drafts = [_draft(share.sequence) for share in shares]
        if not any(draft.tokens for draft in drafts):
            return shares
        length = self.cost.draft_tokens([(len(draft.tokens), draft.right) for draft in drafts])
        room = self._room_beside(shares)
        for share, draft in zip(shares, drafts, strict=True):
            taken = draft.tokens[: min(length, room)]
            share.tokens += taken
            share.num_wanted += len(taken)
            room -= len(taken)
            if draft.tokens and not taken:
                draft.pass_over()
        return shares

    def _piece_alone(self, sequence: Sequence, room: int) -> Share:
        task, tokens = sequence.task, sequence.tokens[sequence.num_computed :]
        path = list(task.path) if isinstance(task, Scoring) else []
        most = max(1, min(room, self._max_batch_tokens - len(path)))
        is_last, is_shallow = len(tokens) <= most, isinstance(task, Skimming)
        num_states = task.num_states if isinstance(task, Skimming) else self._num_states
        wish = StateWish(min(len(tokens), most) - 1, num_states, is_cut_short=is_shallow)
        if not is_last:
            return Share(sequence, tokens[:most], wish=wish if is_shallow else None)
        num_wanted = 0 if is_shallow else 1 + len(path)
        return Share(sequence, tokens + path, num_wanted, wish=wish)


def _next_share(sequence: Sequence) -> Share:
    """Of a sequence that is ready: its newest token, or the next path of its labels."""
    task = sequence.task
    tokens = list(task.path) if isinstance(task, Scoring) else sequence.tokens[sequence.num_computed :]
    return Share(sequence, tokens, num_wanted=len(tokens))


def _draft(sequence: Sequence) -> Draft:
    task = sequence.task
    if not isinstance(task, Generation) or task.lookup is None:
        return NO_DRAFT
    return task.lookup.draft(sequence.tokens, max_tokens=task.max_tokens - sequence.num_completion - 1)


def _age(sequence: Sequence) -> tuple[bool, float]:
    return sequence.is_background, sequence.waiting_since


def _length(sequence: Sequence) -> tuple[bool, int]:
    return sequence.is_background, sequence.num_uncomputed


def _prompt_share(sequence: Sequence, room: int) -> Share | None:
    count = min(sequence.num_to_read, room)
    if count <= 0:
        return None
    start = sequence.num_computed
    is_last = isinstance(sequence.task, Generation) and count == sequence.num_uncomputed
    return Share(sequence, sequence.tokens[start : start + count], num_wanted=int(is_last))
