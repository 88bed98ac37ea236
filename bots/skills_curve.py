"""`understudy skills curve`: how right a skill is with ever more of its examples, as lines in the terminal and as a PNG file."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import groupby
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text as Styled

from bots.measuring_bar import Step, to_the_end
from bots.opening import ModelOpener, Progress, open_engine
from bots.setup import Setup
from bots.skills_command import found
from engine import (
    ASCII,
    BRAILLE,
    Curve,
    CurveWork,
    Fault,
    FileFaults,
    curve_advice,
    curve_picture,
    curve_scale,
    curve_table,
    curve_title,
    drawn_curve,
)

_STYLES = {"●": "bold blue", "│┬┴": "dim", "╌": "yellow", "├┤└─": "dim"}
_BRAILLE_STYLE = "blue"


async def make_curve(setup: Setup, open_model: ModelOpener, progress: Progress, name: str) -> Curve:
    """The curve of a skill; after Ctrl-C, what there is of it.

    Raises:
        UnderstudyError: there is no such skill.
        InferenceError: the model cannot be used.
    """
    skill = found(setup.skillbook, name)
    with setup.data.terminal_database() as database:
        async with (
            open_model(setup, progress) as model,
            open_engine(setup, model.inference, database, model.name, is_alone=True) as engine,
        ):
            progress("")
            work = engine.curving.begin(skill)
            await to_the_end(_steps(work), work.plan.num_answers)
            return work.curve


async def _steps(work: CurveWork) -> AsyncGenerator[Step, None]:
    async with aclosing(work.steps()) as steps:
        async for number in steps:
            yield number, f"/{work.skill.name}"


def as_page(curve: Curve, width: int, *, is_plain: bool) -> RenderableType:
    """`is_plain`: with characters of ASCII alone."""
    if not curve.points:
        return Styled(curve_advice(curve))
    drawing = drawn_curve(curve, width, ASCII if is_plain else BRAILLE)
    parts = [Styled(curve_title(curve), style="bold"), Styled(curve_scale(curve), style="dim"), Styled()]
    parts += [Styled(line) if is_plain else _coloured(line) for line in drawing.splitlines()]
    table = curve_table(curve)
    return Group(
        *parts,
        Styled(),
        Styled(_in_ascii(table) if is_plain else table),
        Styled(),
        Styled(curve_advice(curve)),
    )


def print_curve(curve: Curve) -> None:
    console = Console(highlight=False)
    console.print(as_page(curve, console.width, is_plain=not console.encoding.startswith("utf")))


def write_png(curve: Curve, path: Path) -> None:
    """Over a file that is there.

    Raises:
        FileFaults: it cannot be written.
    """
    try:
        path.write_bytes(curve_picture(curve).png)
    except OSError as error:
        raise FileFaults((Fault(str(path), None, f"cannot be written ({error.strerror})"),)) from error


def _coloured(line: str) -> Styled:
    return Styled.assemble(*(("".join(run), style) for style, run in groupby(line, _style)))


def _style(character: str) -> str:
    if 0x2800 <= ord(character) <= 0x28FF:
        return _BRAILLE_STYLE
    return next((style for characters, style in _STYLES.items() if character in characters), "")


def _in_ascii(text: str) -> str:
    return text.replace("–", "-")
