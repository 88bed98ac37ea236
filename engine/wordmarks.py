"""What can be seen of a word without a model: itself, its neighbours, its shape, whether it is in a known value. Knows no tags."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.words import Words

_MAX_KNOWN_WORDS = 8
_NEIGHBOURS = range(-2, 3)
_MANY_DIGITS = 6
_WITH_FIGURES = "+()/-."
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
    breaks = _breaks(words)
    shapes = [_shape(text) for text in texts]
    for index, mine in enumerate(found):
        mine += [f"w{at}:{_beside(lower, breaks, index, at)}" for at in _NEIGHBOURS]
        mine += [f"h{at}:{_beside(shapes, breaks, index, at)}" for at in (-1, 0, 1)]
    for names in (_chunks(words), _figures(words)):
        for mine, name in zip(found, names, strict=True):
            mine.append(name)
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


def _breaks(words: Words) -> list[int]:
    """For each word the number of its line."""
    lines, last, line = [], 0, 0
    for begin, end in words.places:
        line += "\n" in words.text[last:begin]
        lines.append(line)
        last = end
    return lines


def _beside(names: Sequence[str], lines: Sequence[int], index: int, at: int) -> str:
    """What stands `at` words further on in the same line."""
    there = index + at
    return names[there] if 0 <= there < len(names) and lines[there] == lines[index] else _EDGE


def _chunks(words: Words) -> list[str]:
    """For each word what the text without white space around it is (an address, a number, ...), and where in it the word stands."""
    names: list[str] = []
    for first, last in _runs(words, _is_chunk):
        parts = [words.text[begin:end] for begin, end in words.places[first:last]]
        inner = [index for index, part in enumerate(parts) if part[0].isalnum()] or [0]
        kind = _kind("".join(parts[inner[0] : inner[-1] + 1]))
        names += [f"c:{kind}:{_where(index, inner[0], inner[-1])}" for index in range(len(parts))]
    return names


def _figures(words: Words) -> list[str]:
    """For each word how many digits the numbers in a row have that it is one of, and where among them it stands."""
    names: list[str] = []
    for first, last in _runs(words, _is_figures):
        text = words.text[words.places[first][0] : words.places[last - 1][1]]
        num_digits = sum(one.isdecimal() for one in text)
        size = "0" if not num_digits else "few" if num_digits < _MANY_DIGITS else "many"
        names += [f"n:{size}:{_where(index, first, last - 1)}" for index in range(first, last)]
    return names


def _runs(words: Words, goes_on: Callable[[str, str, str], bool]) -> Iterator[tuple[int, int]]:
    """Words that belong together, from which to which (excluded): `goes_on` is given a word, what parts it from the next, the next."""
    first, places, text = 0, words.places, words.text
    for index in range(1, len(places) + 1):
        if index < len(places):
            (begin, end), (next_begin, next_end) = places[index - 1], places[index]
            if goes_on(text[begin:end], text[end:next_begin], text[next_begin:next_end]):
                continue
        if first < index:
            yield first, index
        first = index


def _is_chunk(_one: str, gap: str, _other: str) -> bool:
    return not gap


def _is_figures(one: str, gap: str, other: str) -> bool:
    return gap in {"", " "} and all(part.isdecimal() or part in _WITH_FIGURES for part in (one, other))


def _kind(text: str) -> str:
    if "@" in text:
        return "address"
    if "://" in text or text.startswith("www."):
        return "link"
    has_letters, has_digits = any(map(str.isalpha, text)), any(map(str.isdecimal, text))
    kind = ("code" if has_digits else "word") if has_letters else "number" if has_digits else "sign"
    return f"{kind}+" if not text.isalnum() else kind


def _where(at: int, first: int, last: int) -> str:
    if not first <= at <= last:
        return "before" if at < first else "behind"
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
