"""Tables of the report, as HTML. Every cell is escaped here. Knows no skill."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Column:
    """`is_said`: what people or the bot wrote, in its own direction and with its own lines."""

    name: str
    is_number: bool = False
    is_said: bool = False

    @property
    def kind(self) -> str:
        if self.is_number:
            return ' class="number"'
        return ' class="said" dir="auto"' if self.is_said else ""


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads to another place of the page."""

    text: str
    anchor: str


Cell = str | Link


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], caption: str = "", *, is_wide: bool = False
) -> str:
    heads = "".join(f'<th scope="col"{_aside(one)}>{escape(one.name)}</th>' for one in columns)
    lines = "\n".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows)
    wide = ' class="wide"' if is_wide else ""
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table{wide}>{told}<thead><tr>{heads}</tr></thead><tbody>\n{lines}\n</tbody></table></div>'


def _cells(columns: Sequence[Column], row: Sequence[Cell]) -> str:
    return "".join(f"<td{one.kind}>{_cell(cell)}</td>" for one, cell in zip(columns, row, strict=True))


def _cell(cell: Cell) -> str:
    if isinstance(cell, Link):
        return f'<a href="#{escape(cell.anchor)}">{escape(cell.text)}</a>'
    return escape(cell)


def _aside(column: Column) -> str:
    return ' class="number"' if column.is_number else ""
