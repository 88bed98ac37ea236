"""Values under sequences of tokens, found by the longest beginning that they share. Knows neither what the values are nor whose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")
Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match(Generic[V]):
    """A stored key that shares its first `num_common` tokens with what was asked for."""

    num_common: int
    tokens: Tokens
    value: V


@dataclass(slots=True)
class _Node(Generic[V]):
    """`edge` leads to it from its parent. Without a value it is a fork, and has at least two children."""

    edge: Tokens
    entry: tuple[Tokens, V] | None = None
    children: "dict[int, _Node[V]]" = field(default_factory=dict)


class TokenTree(Generic[V]):
    """A radix tree: a path without forks is one node, however long."""

    def __init__(self) -> None:
        self._root: _Node[V] = _Node(())
        self._num_values = 0

    def __len__(self) -> int:
        return self._num_values

    def __iter__(self) -> Iterator[Tokens]:
        return (node.entry[0] for node in _all(self._root) if node.entry is not None)

    @property
    def num_nodes(self) -> int:
        """The root included."""
        return sum(1 for _ in _all(self._root))

    def insert(self, tokens: Sequence[int], value: V) -> None:
        """Puts `value` at exactly these tokens, in the place of what was there."""
        key = tuple(tokens)
        node, depth = self._root, 0
        while depth < len(key):
            child = node.children.get(key[depth])
            if child is None:
                child = _Node(key[depth:])
                node.children[key[depth]] = child
            else:
                child = _split(node, child, num_common(child.edge, key[depth:]))
            node, depth = child, depth + len(child.edge)
        self._num_values += node.entry is None
        node.entry = (key, value)

    def get(self, tokens: Sequence[int]) -> V | None:
        path = self._path(tuple(tokens))
        return path[-1].entry[1] if path and path[-1].entry else None

    def remove(self, tokens: Sequence[int]) -> V | None:
        """What was at exactly these tokens; nothing of them is left."""
        path = self._path(tuple(tokens))
        if not path or path[-1].entry is None:
            return None
        value = path[-1].entry[1]
        path[-1].entry = None
        self._num_values -= 1
        for parent, node in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
            _tidy(parent, node)
        return value

    def longest(self, tokens: Sequence[int]) -> Match[V] | None:
        """The key that shares the most of its first tokens with `tokens`: one that ends there if there is, else the shortest.

        None when not even the first token is shared.
        """
        key = tuple(tokens)
        node, depth = self._root, 0
        while child := node.children.get(key[depth]) if depth < len(key) else None:
            common = num_common(child.edge, key[depth:])
            node, depth = child, depth + common
            if common < len(child.edge):
                break
        if depth == 0:
            return None
        found, value = _shortest(node)
        return Match(depth, found, value)

    def _path(self, key: Tokens) -> "list[_Node[V]]":
        """The nodes from the root to exactly `key`; none when there is no such node."""
        path, depth = [self._root], 0
        while depth < len(key):
            child = path[-1].children.get(key[depth])
            if child is None or key[depth : depth + len(child.edge)] != child.edge:
                return []
            path.append(child)
            depth += len(child.edge)
        return path


def _split(parent: _Node[V], child: _Node[V], length: int) -> _Node[V]:
    """The node at `length` tokens of the child's edge: the child itself, or a new fork above it."""
    if length == len(child.edge):
        return child
    fork: _Node[V] = _Node(child.edge[:length])
    parent.children[fork.edge[0]] = fork
    child.edge = child.edge[length:]
    fork.children[child.edge[0]] = child
    return fork


def _tidy(parent: _Node[V], node: _Node[V]) -> None:
    """A node without a value goes when it has no child, and becomes one with its only child."""
    if node.entry is not None or len(node.children) > 1:
        return
    first = node.edge[0]
    if not node.children:
        del parent.children[first]
        return
    (child,) = node.children.values()
    child.edge = node.edge + child.edge
    parent.children[first] = child


def _shortest(node: _Node[V]) -> tuple[Tokens, V]:
    """The entry at or below a node that has the fewest tokens."""
    if node.entry is not None:
        return node.entry
    return min((one.entry for one in _all(node) if one.entry is not None), key=lambda entry: len(entry[0]))


def _all(node: _Node[V]) -> Iterator[_Node[V]]:
    """A node and those below it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.children.values()


def num_common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many first tokens are the same. Halves instead of counting: comparing slices is done in C."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
