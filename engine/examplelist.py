"""Where a skill file's examples stand, and how its text looks with one more, one less or another. Knows no meaning of the rest.

Everything is done by inserting and cutting out; line ends, indentation and the style of the list are those of its neighbours.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import yaml

from engine.skill import Example, Skill
from engine.yamltext import Hand, Written

_BOM = "\ufeff"
_KEY = "examples"
_PIN = "pin"
_STEP = 2
_BREAK = re.compile(r"\r\n|\n|\r")
_REMARKS = re.compile(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))*[ ]*")
_REST_OF_ITEM = re.compile(r"[ \t]*(,?)[ \t]*(?:#[^\r\n]*)?")


class CannotEdit(Exception):
    """The file is written in a way that this room does not edit."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What comes to stand in the place of `text[start:end]`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Style:
    """How an item of a block list is written: the dash's column, the distance to what follows it, its keys in order."""

    column: int
    gap: int = _STEP
    keys: tuple[str, ...] = ("input", "output")
    is_flow: bool = False


class ExampleList:
    """The text of one file that was read without faults, with its own line ends."""

    def __init__(self, content: bytes, skill: Skill) -> None:
        text = content.decode("utf-8")
        self._bom = _BOM if text.startswith(_BOM) else ""
        self._text = text.removeprefix(_BOM)
        self._skill = skill
        root = yaml.compose(self._text, Loader=yaml.BaseLoader)
        if not isinstance(root, yaml.MappingNode):
            raise CannotEdit
        self._root = root
        self._pair = next(((key, value) for key, value in root.value if key.value == _KEY), None)

    def added(self, examples: Sequence[Example], hand: Hand) -> bytes:
        items = self._items
        if self._pair is None:
            return self._with(self._new_list(examples, hand))
        if self._pair[1].flow_style:
            return self._with(*self._into_flow(examples, hand))
        style = self._style_of(items[-1])
        at = self._line_after(self._end(items[-1]))
        block = self._block(examples, style, hand, self._break_before(at))
        return self._with(self._lines_at(at, block))

    def removed(self, index: int) -> bytes:
        return self._with(*(self._out_of_flow(index) if self._list.flow_style else self._out_of_block(index)))

    def replaced(self, index: int, example: Example, hand: Hand) -> bytes:
        item = self._items[index]
        start, end = item.start_mark.index, self._end(item)
        if self._list.flow_style:
            style = self._style_of(item)
            return self._with(_Piece(start, end, self._flow_item(example, style.keys, hand)))
        if self._text[end : self._line_end(end)].strip():
            hand = replace(hand, may_be_block=False)  # a remark behind it would become a part of the text
        style = replace(self._style_of(item), column=item.start_mark.column - _STEP, gap=_STEP)
        written = self._item(example, style, hand, self._break_before(start))
        return self._with(_Piece(start, end, written[style.column + style.gap :]))

    # The parts of the file

    @property
    def _list(self) -> yaml.SequenceNode:
        if self._pair is None or not isinstance(self._pair[1], yaml.SequenceNode):
            raise CannotEdit
        return self._pair[1]

    @property
    def _items(self) -> "list[yaml.Node]":
        return [] if self._pair is None else self._list.value

    def _style_of(self, item: "yaml.Node") -> _Style:
        column = self._list.start_mark.column
        if not isinstance(item, yaml.MappingNode):
            raise CannotEdit
        is_beside = self._text[self._line_start(item.start_mark.index) : item.start_mark.index].strip() != ""
        keys = tuple(key.value for key, _ in item.value if key.value in _Style(0).keys)
        gap = item.start_mark.column - column if is_beside else _STEP
        return _Style(column, gap, keys, bool(item.flow_style))

    def _end(self, node: "yaml.Node") -> int:
        """Just behind the last character that belongs to the node."""
        if isinstance(node, yaml.ScalarNode):
            end: int = node.end_mark.index
            return len(self._text[:end].rstrip()) if node.style in ("|", ">") else end
        if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
            return int(node.end_mark.index)
        last = node.value[-1]
        return self._end(last[1] if isinstance(node, yaml.MappingNode) else last)

    # Lines

    def _line_end(self, at: int) -> int:
        found = _BREAK.search(self._text, at)
        return len(self._text) if found is None else found.start()

    def _line_after(self, at: int) -> int:
        found = _BREAK.search(self._text, at)
        return len(self._text) if found is None else found.end()

    def _line_start(self, at: int) -> int:
        return max(self._text.rfind("\n", 0, at), self._text.rfind("\r", 0, at)) + 1

    def _break_before(self, at: int) -> str:
        """The line end that is in use here."""
        before = self._text[max(0, at - 2) : at]
        if found := _BREAK.search(before):
            return found[0]
        first = _BREAK.search(self._text)
        return "\n" if first is None else first[0]

    def _lines_at(self, at: int, block: str) -> _Piece:
        """`block` as lines of their own; a file that ends without a line end goes on doing so."""
        end = self._break_before(at)
        is_at_start = at == 0 or self._text[at - 1] in "\r\n"
        if at == len(self._text) and not is_at_start:
            return _Piece(at, at, end + block)
        return _Piece(at, at, ("" if is_at_start else end) + block + end)

    def _with(self, *pieces: _Piece) -> bytes:
        text = self._text
        for piece in sorted(pieces, key=lambda one: one.start, reverse=True):
            text = text[: piece.start] + piece.text + text[piece.end :]
        return (self._bom + text).encode("utf-8", "surrogatepass")

    # One more

    def _new_list(self, examples: Sequence[Example], hand: Hand) -> _Piece:
        if self._root.flow_style:
            last = self._end(self._root.value[-1][1])
            items = ", ".join(self._flow_item(one, _Style(0).keys, hand) for one in examples)
            return _Piece(last, last, f", {_KEY}: [{items}]")
        at = self._root.end_mark.index
        column = self._root.start_mark.column
        end = self._break_before(at)
        block = self._block(examples, _Style(column + _STEP), hand, end)
        return self._lines_at(at, f"{' ' * column}{_KEY}:{end}{block}")

    def _into_flow(self, examples: Sequence[Example], hand: Hand) -> tuple[_Piece, ...]:
        items = self._items
        keys = self._style_of(items[-1]).keys if items else _Style(0).keys
        texts = [self._flow_item(one, keys, hand) for one in examples]
        if not items:
            at = self._list.start_mark.index + 1
            return (_Piece(at, at, ", ".join(texts)),)
        end = self._end(items[-1])
        start = self._line_start(items[-1].start_mark.index)
        margin = self._text[start : items[-1].start_mark.index]
        rest = _REST_OF_ITEM.fullmatch(self._text, end, self._line_end(end))
        after = self._line_after(end)
        if margin.strip() or rest is None or after == len(self._text):
            return (_Piece(end, end, "".join(f", {text}" for text in texts)),)
        line_break = self._break_before(after)
        if rest[1]:
            return (_Piece(after, after, "".join(f"{margin}{text},{line_break}" for text in texts)),)
        lines = f",{line_break}".join(f"{margin}{text}" for text in texts)
        return _Piece(end, end, ","), _Piece(after, after, f"{lines}{line_break}")

    def _block(self, examples: Sequence[Example], style: _Style, hand: Hand, end: str) -> str:
        return end.join(self._item(one, style, hand, end) for one in examples)

    def _item(self, example: Example, style: _Style, hand: Hand, end: str) -> str:
        head = f"{' ' * style.column}-{' ' * (style.gap - 1)}"
        texts = (*example.inputs.values(), example.output)
        if style.is_flow and not any("\n" in text for text in texts):
            return head + self._flow_item(example, style.keys, hand)
        values, column = self._values(example), style.column + style.gap
        lines = [
            f"{key}:{self._hand(key, hand).after_key(values[key], column, _STEP, end)}"
            for key in _keys_of(example, style.keys)
        ]
        return head + f"{end}{' ' * column}".join(lines)

    def _flow_item(self, example: Example, keys: Sequence[str], hand: Hand) -> str:
        values = self._values(example)
        pairs = (f"{key}: {self._hand(key, hand).flow(values[key])}" for key in _keys_of(example, keys))
        return "{" + ", ".join(pairs) + "}"

    @staticmethod
    def _hand(key: str, hand: Hand) -> Hand:
        """What is said is always text, and a pin is none."""
        return replace(hand, is_typed=False) if key == "input" else hand

    def _values(self, example: Example) -> Mapping[str, Written]:
        main = self._skill.main_input.name
        inputs: Written = dict(example.inputs)
        if tuple(example.inputs) == (main,):
            inputs = example.inputs[main]
        output: Written = example.output
        if self._skill.output_schema is not None:
            output = json.loads(example.output)
        return {"input": inputs, "output": output, _PIN: True}

    # One less

    def _out_of_block(self, index: int) -> tuple[_Piece, ...]:
        item = self._items[index]
        dash = self._dash(index)
        start, end = self._line_start(dash), self._line_after(self._end(item))
        if self._text[start:dash].strip():
            raise CannotEdit
        cut = _Piece(start, end, "")
        if len(self._items) > 1 or self._pair is None:
            return (cut,)
        colon = self._text.index(":", self._pair[0].end_mark.index) + 1
        return _Piece(colon, colon, " []"), cut

    def _dash(self, index: int) -> int:
        if index == 0:
            return int(self._list.start_mark.index)
        before = self._line_after(self._end(self._items[index - 1]))
        found = _REMARKS.match(self._text, before)
        dash = found.end() if found else before
        if self._text[dash : dash + 1] != "-":
            raise CannotEdit
        return dash

    def _out_of_flow(self, index: int) -> tuple[_Piece, ...]:
        items = self._items
        start, end = items[index].start_mark.index, self._end(items[index])
        comma = re.compile(r"\s*,").match(self._text, end)
        if index + 1 < len(items):
            following = items[index + 1].start_mark.index
            is_bare = not self._text[end:following].replace(",", "", 1).strip()
            if comma is None:
                raise CannotEdit
            return (_Piece(start, following if is_bare else comma.end(), ""),)
        if index == 0:
            return (_Piece(start, end if comma is None else comma.end(), ""),)
        previous = self._end(items[index - 1])
        is_bare = not self._text[previous:start].replace(",", "", 1).strip()
        if is_bare:
            return (_Piece(previous, end, ""),)
        return (_Piece(start, end if comma is None else comma.end(), ""),)


def _keys_of(example: Example, keys: Sequence[str]) -> tuple[str, ...]:
    """What is written of it, in the order of its neighbours."""
    return (*keys, _PIN) if example.is_pinned else tuple(keys)
