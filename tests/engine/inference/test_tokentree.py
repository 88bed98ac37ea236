"""The tree gives what a plain dict would, and does not grow beyond its values."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.inference.tokentree import TokenTree

KEYS = st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple)


def num_common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return next(
        (at for at in range(min(len(one), len(other))) if one[at] != other[at]), min(len(one), len(other))
    )


class Tree(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tree: TokenTree[int] = TokenTree()
        self.known: dict[tuple[int, ...], int] = {}

    @rule(key=KEYS, value=st.integers(0, 99))
    def insert(self, key: tuple[int, ...], value: int) -> None:
        self.tree.insert(key, value)
        self.known[key] = value

    @rule(key=KEYS)
    def remove(self, key: tuple[int, ...]) -> None:
        assert self.tree.remove(key) == self.known.pop(key, None)

    @rule(key=KEYS)
    def get(self, key: tuple[int, ...]) -> None:
        assert self.tree.get(key) == self.known.get(key)

    @rule(asked=KEYS)
    def longest(self, asked: tuple[int, ...]) -> None:
        found = self.tree.longest(asked)
        best = max((num_common(asked, key) for key in self.known), default=0)
        if not best:
            assert found is None
            return
        assert found
        assert found.num_common == num_common(asked, found.tokens) == best
        assert found.value == self.known[found.tokens]
        candidates = [key for key in self.known if num_common(asked, key) == best]
        assert len(found.tokens) == min(map(len, candidates))

    @invariant()
    def holds_what_it_should_and_nothing_else(self) -> None:
        assert set(self.tree) == set(self.known)
        assert len(self.tree) == len(self.known)
        assert self.tree.num_nodes <= 2 * len(self.known) + 1


TestTree = Tree.TestCase
