"""Watches llama.cpp while it computes: copies the states of some layers, and ends the computation behind the last of them. Knows no request.

What an early layer thinks of a text tells classes apart as well as the last one or better, and costs a part of the time
(Skean et al. 2025, "Layer by Layer", arXiv 2502.02013; on the starter model: docs/teaching.md).
"""

from dataclasses import dataclass

import numpy as np

from engine.inference.llama import api, tensor_name, tensor_row

DEPTHS = (0.6, 0.8)  # of the layers: the earlier is usually enough, the later knows more of topics


@dataclass(frozen=True, slots=True)
class StateWish:
    """The states of a step's row in the first `num_states` watched layers. `is_cut_short`: nothing behind them is needed."""

    row: int
    num_states: int
    is_cut_short: bool


class Tap:
    """`callback` belongs into the parameters of a context, and the tap must live as long as that."""

    def __init__(self, num_layers: int, length: int) -> None:
        """`length` is how many numbers a state has."""
        self.layers = watched_layers(num_layers)
        self._length = length
        self._wish: StateWish | None = None
        self._found: dict[bytes, tuple[float, ...]] = {}
        self._names: frozenset[bytes] = frozenset()
        self.callback = api.ggml_backend_sched_eval_callback(self._on_node)

    def watch(self, wish: StateWish | None) -> None:
        """From now on, until the next call. None: nothing, which costs a step nothing that can be measured."""
        self._wish = wish
        self._found = {}
        self._names = frozenset(map(_name, self.layers[: wish.num_states] if wish else ()))

    @property
    def states(self) -> tuple[float, ...]:
        """What was seen since `watch`, the earliest layer first; nothing when one of the layers did not come by."""
        if len(self._found) < len(self._names):
            return ()
        return tuple(
            number for layer in self.layers if (found := self._found.get(_name(layer))) for number in found
        )

    def _on_node(self, tensor: int, is_asked: bool, _user_data: object) -> bool:  # noqa: FBT001 - llama.cpp calls it
        """Asked: whether this node's numbers are wanted. Else they are there: whether to go on."""
        if self._wish is None:
            return not is_asked
        name = tensor_name(tensor)
        if is_asked:
            return name in self._names
        self._found[name] = levelled(tensor_row(tensor, self._wish.row, self._length))
        return not (self._wish.is_cut_short and len(self._found) == len(self._names))


def watched_layers(num_layers: int) -> tuple[int, ...]:
    """Counted from 0. Never the last one, of which llama.cpp keeps only the rows whose logits are wanted."""
    if num_layers < 2:
        return ()
    return tuple(sorted({max(0, min(num_layers - 2, round(depth * num_layers) - 1)) for depth in DEPTHS}))


def levelled(state: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> tuple[float, ...]:
    """With a root mean square of 1: layers differ in size, and what a text means is in the direction."""
    size = float(np.sqrt(np.mean(np.square(state, dtype=np.float64))))
    return tuple((state / size if size > 0 else state).tolist())


def _name(layer: int) -> bytes:
    """What llama.cpp calls the output of a layer, in the graphs of nearly all architectures."""
    return f"l_out-{layer}".encode()
