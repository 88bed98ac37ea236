"""In how many ways a text can fit a pattern. Knows letters by number and what may follow each; no writing of patterns.

Python tries all ways in which a text may fit, one after the other: where there are two ways for one letter, again and again,
thirty letters take years. So a part that repeats must know by each letter where it is.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from itertools import pairwise, product
from typing import TypeVar

Intervals = tuple[tuple[int, int], ...]  # of code points, both ends included, in order, apart from each other
_Node = TypeVar("_Node", bound=Hashable)

_MAX_STEPS = 100_000
_MAX_LOOPS_IN_A_ROW = 3
_MAX_FORKS = 12


class PatternFault(Exception):
    """One clause that says what is wrong with it, and what to do."""


def check_forks(letters: list[Intervals], follow: Iterable[Collection[int]]) -> None:
    """Places at which the same letter may mean one thing or another: each doubles the ways, also without a repetition.

    Raises:
        PatternFault: there are too many.
    """
    num_forks = sum(_overlap(letters[one] for one in following) for following in follow)
    if num_forks > _MAX_FORKS:
        raise PatternFault(
            "has too many places at which the same letter can be one part or another; make it smaller"
        )


def _overlap(several: Iterable[Intervals]) -> bool:
    in_order = sorted(interval for one in several for interval in one)
    return any(after[0] <= before[1] for before, after in pairwise(in_order))


def check_ways(letters: list[Intervals], follow: Mapping[int, set[int]]) -> None:
    """Two places in a repetition that the same letters lead to, from the same place and back to it: each turn doubles the ways."""
    parts = _components(range(len(letters)), lambda one: follow.get(one, set()))
    part_of = {letter: number for number, part in enumerate(parts) for letter in part}
    loops = {
        number
        for number, part in enumerate(parts)
        if any(one in follow.get(one, ()) for one in part) or len(part) > 1
    }
    num_steps = 0

    def steps(pair: tuple[int, int]) -> Iterator[tuple[int, int]]:
        nonlocal num_steps
        for one, other in product(follow.get(pair[0], ()), follow.get(pair[1], ())):
            num_steps += 1
            if num_steps > _MAX_STEPS:
                raise PatternFault("is too intricate; make it smaller")
            if part_of[one] == part_of[other] == part_of[pair[0]] and _meet(letters[one], letters[other]):
                yield one, other

    pairs = [(one, one) for one in part_of if part_of[one] in loops]
    for component in _components(pairs, steps):
        if any(one == other for one, other in component) and any(one != other for one, other in component):
            raise PatternFault(
                "repeats something that the same letters can be in two ways; let each repetition begin with a letter of its own"
            )
    _check_rows(letters, follow, parts, loops)


def _check_rows(
    letters: list[Intervals], follow: Mapping[int, set[int]], parts: list[list[int]], loops: set[int]
) -> None:
    """Repetitions of the same letters one behind the other: each of them multiplies the ways by the length of the text."""
    part_of = {letter: number for number, part in enumerate(parts) for letter in part}
    behind: dict[int, set[int]] = {}
    row: dict[
        int, int
    ] = {}  # of a loop: how many loops of the same letters may come one behind the other, itself included
    for number, part in enumerate(parts):  # what comes behind stands before what it comes behind
        nexts = {part_of[one] for letter in part for one in follow.get(letter, ())} - {number}
        behind[number] = nexts.union(*(behind[one] for one in nexts))
        if number in loops:
            alike = [row[one] for one in behind[number] & loops if _are_alike(part, parts[one], letters)]
            row[number] = 1 + max(alike, default=0)
    if max(row.values(), default=0) > _MAX_LOOPS_IN_A_ROW:
        raise PatternFault(
            f"has more than {_MAX_LOOPS_IN_A_ROW} repetitions of the same letters one behind the other; leave one out"
        )


def _are_alike(one: list[int], other: list[int], letters: list[Intervals]) -> bool:
    return any(_meet(letters[a], letters[b]) for a, b in product(one, other))


def _components(nodes: Iterable[_Node], nexts: Callable[[_Node], Iterable[_Node]]) -> list[list[_Node]]:
    """Those that lead to each other, together; what is led to stands before what leads there."""
    number: dict[_Node, int] = {}
    lowest: dict[_Node, int] = {}
    path: list[_Node] = []
    done: set[_Node] = set()
    found: list[list[_Node]] = []
    for start in nodes:
        work: list[tuple[_Node, Iterator[_Node]]] = [] if start in number else [(start, iter(()))]
        while work:
            node, left = work.pop()
            if node not in number:
                number[node] = lowest[node] = len(number)
                path.append(node)
                left = iter(list(nexts(node)))
            for one in left:
                if one not in number:
                    work += [(node, left), (one, iter(()))]
                    break
                if one not in done:
                    lowest[node] = min(lowest[node], lowest[one])
            else:
                if lowest[node] == number[node]:
                    at = path.index(node)
                    found.append(path[at:])
                    done.update(path[at:])
                    del path[at:]
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
    return found


def _meet(one: Intervals, other: Intervals) -> bool:
    return any(low <= top and bottom <= high for low, high in one for bottom, top in other)
