"""Which tokens tell the labels of a choice apart, and what each label scores. Knows token numbers, no model."""

from collections.abc import Mapping, Sequence

from engine.inference.tokentree import num_common

Tokens = tuple[int, ...]


class LabelTree:
    """Each label is scored along the shortest beginning that no other label has: `a`, `b` for "alpha" and "beta".

    A label that is the beginning of another ("urgent", "urgently") is told apart by the end of the answer, which is a token too.
    """

    def __init__(self, labels: Sequence[Tokens], end_token: int) -> None:
        """`labels` are the tokens of each, all different and none empty."""
        ended = [(*label, end_token) for label in labels]
        self._scored = [label[: _num_needed(label, ended)] for label in ended]
        nodes = {scored[:length] for scored in self._scored for length in range(len(scored))}
        self._children = {
            node: tuple(
                sorted({one[len(node)] for one in self._scored if _begins(one, node) and one != node})
            )
            for node in nodes
        }

    @property
    def paths(self) -> tuple[Tokens, ...]:
        """What has to be computed behind the prompt, longest first. None for labels whose first tokens differ.

        The logits behind the last token of each beginning of a path, and behind the prompt itself, are needed.
        """
        inner = sorted((node for node in self._children if node), key=lambda node: (-len(node), node))
        paths: list[Tokens] = []
        for node in inner:
            if not any(_begins(path, node) for path in paths):
                paths.append(node)
        return tuple(paths)

    def children(self, node: Tokens) -> Tokens:
        """The tokens whose log-probabilities behind `node` are needed."""
        return self._children[node]

    def scores(self, log_probabilities: Mapping[tuple[Tokens, int], float]) -> tuple[float, ...]:
        """The sum along each label's beginning, in the order of the labels; keys are a node and a child."""
        return tuple(
            sum(log_probabilities[scored[:at], scored[at]] for at in range(len(scored)))
            for scored in self._scored
        )


def _num_needed(label: Tokens, labels: Sequence[Tokens]) -> int:
    others = [one for one in labels if one != label]
    return 1 + max((num_common(label, other) for other in others), default=0)


def _begins(tokens: Tokens, node: Tokens) -> bool:
    return tokens[: len(node)] == node
