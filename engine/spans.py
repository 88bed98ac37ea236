"""Values as runs of a text's words, and such runs as tags, one a word. Knows no model and no skill.

Tag 0 is outside of all fields; of field f, 1 + 2 f begins a value and 2 + 2 f goes on with it.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from engine.inference import WordPlaces
from engine.words import Span, Words

OUTSIDE = 0
Tags = np.ndarray


def begin_tag(field: int) -> int:
    return 1 + 2 * field


def go_on_tag(field: int) -> int:
    return 2 + 2 * field


def num_tags(num_fields: int) -> int:
    return 1 + 2 * num_fields


def found(words: Words, value: str) -> tuple[Span, ...]:
    """Every place where the value is a run of whole words; without regard to case where it is in none as it is written."""
    value = value.strip()
    if not value:
        return ()
    exact = tuple(_runs(words.text, words.places, value))
    if exact or len(words.text) != len(words.text.lower()):
        return exact
    return tuple(_runs(words.text.lower(), words.places, value.lower()))


def _runs(text: str, places: WordPlaces, value: str) -> Iterator[Span]:
    begins = {begin: index for index, (begin, _) in enumerate(places)}
    ends = {end: index + 1 for index, (_, end) in enumerate(places)}
    at = text.find(value)
    while at >= 0:
        first, last = begins.get(at), ends.get(at + len(value))
        is_run = first is not None and last is not None
        if first is not None and last is not None:
            yield first, last
        at = text.find(value, at + (len(value) if is_run else 1))


def tagged(num_words: int, spans: Iterable[tuple[int, Span]]) -> Tags:
    """The tags of spans with their fields. Where two lie over each other, the earlier one of the list is kept."""
    tags = np.zeros(num_words, np.intp)
    for field, (begin, end) in spans:
        if not tags[begin:end].any():
            tags[begin:end] = go_on_tag(field)
            tags[begin] = begin_tag(field)
    return tags


def untagged(tags: Sequence[int] | Tags) -> list[tuple[int, Span]]:
    """The spans with their fields, in the order of the text."""
    spans: list[tuple[int, Span]] = []
    for index, tag in enumerate(map(int, tags)):
        if tag == OUTSIDE:
            continue
        field, is_further = divmod(tag - 1, 2)
        if is_further and spans and spans[-1][0] == field and spans[-1][1][1] == index:
            spans[-1] = (field, (spans[-1][1][0], index + 1))
        else:
            spans.append((field, (index, index + 1)))
    return spans
