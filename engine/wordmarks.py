"""What can be seen of a word without a model: itself, its neighbours, its shape, whether it is in a known value. Knows no tags."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.words import Words

_MAX_KNOWN_WORDS = 8
_NUM_NEIGHBOURS = 2
_REPEATED = re.compile(r"(.)\1+")
_EDGE = "\n"

Marks = list[list[str]]


@dataclass(slots=True)
class Known:
    """The values that were taught for one field: whole, and their words. Counted, so that an example's own can be left out."""

    values: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)

    def add(self, value: Sequence[str]) -> None:
        self.values[" ".join(value)] += 1
        self.words.update(value)


def known_values(taught: Iterable[Mapping[int, Sequence[str]]], num_fields: int) -> tuple[Known, ...]:
    """`taught` has the lower-case words of each example's values by field."""
    known = tuple(Known() for _ in range(num_fields))
    for values in taught:
        for number, value in values.items():
            known[number].add(value)
    return known


def lowered(words: Words) -> list[str]:
    return [words.text[begin:end].lower() for begin, end in words.places]


def marks(words: Words, known: Sequence[Known] = (), own: Mapping[int, Sequence[str]] | None = None) -> Marks:
    """For each word the names of its marks. `own` are the values of the text itself, where it is a taught one: as if
    nobody else's they were, they say nothing about it.
    """
    texts = [words.text[begin:end] for begin, end in words.places]
    lower = [one.lower() for one in texts]
    found = [_of_itself(text) for text in texts]
    around = [_EDGE] * _NUM_NEIGHBOURS + lower + [_EDGE] * _NUM_NEIGHBOURS
    shapes = [_EDGE, *map(_shape, texts), _EDGE]
    chunks = _chunks(words)
    for index, mine in enumerate(found):
        mine += [f"w{at}:{around[index + at]}" for at in range(2 * _NUM_NEIGHBOURS + 1)]
        mine += [f"h{at}:{shapes[index + at]}" for at in range(3)]
        mine.append(chunks[index])
    for number, one in enumerate(known):
        _mark_known(found, lower, number, one, (own or {}).get(number, ()))
    return found


def _of_itself(text: str) -> list[str]:
    lower = text.lower()
    return ["*", f"p:{lower[:3]}", f"s:{lower[-3:]}", f"t:{lower[-2:]}"]


def _shape(text: str) -> str:
    letters = "".join(
        "X" if one.isupper() else "d" if one.isdecimal() else "x" if one.isalpha() else one for one in text
    )
    return _REPEATED.sub(r"\1", letters)


def _chunks(words: Words) -> list[str]:
    """For each word the signs of the text without white space that it is a part of, and where in it the word stands."""
    names: list[str] = []
    text, places = words.text, words.places
    index = 0
    while index < len(places):
        last = index
        while last + 1 < len(places) and places[last + 1][0] == places[last][1]:
            last += 1
        whole = _REPEATED.sub(r"\1", _signs(text[places[index][0] : places[last][1]]))
        names += [f"c:{whole[:8]}:{_where(at, index, last)}" for at in range(index, last + 1)]
        index = last + 1
    return names


def _signs(text: str) -> str:
    return "".join("d" if one.isdecimal() else "" if one.isalpha() else one for one in text)


def _where(at: int, first: int, last: int) -> str:
    return "all" if first == last else "first" if at == first else "last" if at == last else "inside"


def _mark_known(found: Marks, lower: Sequence[str], number: int, known: Known, own: Sequence[str]) -> None:
    own_value, own_words = " ".join(own), Counter(own)
    for index, word in enumerate(lower):
        if known.words[word] > own_words[word]:
            found[index].append(f"k{number}")
    for begin in range(len(lower)):
        if known.words[lower[begin]] == 0:
            continue
        for end in range(begin + 1, min(len(lower), begin + _MAX_KNOWN_WORDS) + 1):
            value = " ".join(lower[begin:end])
            if known.values[value] > (value == own_value):
                found[begin].append(f"b{number}")
                for index in range(begin + 1, end):
                    found[index].append(f"i{number}")
