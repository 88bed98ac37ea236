"""`understudy skills teach | history | diff`: many examples at once, and what the bot changed in a skill's file."""

import asyncio
import getpass
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text as Styled

from bots.data_folder import Use
from bots.measuring_bar import Step, to_the_end
from bots.opening import ModelOpener, Progress, open_engine, open_store
from bots.setup import Setup
from bots.skills_command import found
from engine import (
    NOT_MEASURED,
    Author,
    Change,
    Deed,
    Lesson,
    Platform,
    Scope,
    Shelf,
    Store,
    TeachingRefused,
    Weighing,
    Written,
    effect_lines,
    file_makes_worse,
    open_shelf,
    read_examples,
    too_few,
    unified,
)

_BETTER, _WORSE = "It is better with it.", "Taught all the same, as you asked."
_DEEDS = {Deed.TAUGHT: "taught", Deed.UNDONE: "taken back", Deed.CREATED: "made"}


class Care(StrEnum):
    """What is asked of a file's examples before they are taught."""

    MEASURED = "measured"  # and refused where they make the skill worse
    EVEN_IF_WORSE = "even if worse"
    UNMEASURED = "unmeasured"


async def teach_file(
    setup: Setup, open_model: ModelOpener, progress: Progress, name: str, file: Path, *, care: Care
) -> Written | None:
    """Teaches every example of the file, or none. None: Ctrl-C stopped the measuring, and nothing was taught.

    Raises:
        FileFaults: every fault of it, with its line.
        UnderstudyError: there is no such skill, its file cannot be edited, or the examples make it measurably worse.
        InferenceError: the model cannot be asked.
    """
    skill = found(setup.skillbook, name)
    examples = read_examples(file, skill)
    shelf = _shelf(setup)
    edit = shelf.add(skill.name, examples)
    edited = shelf.preview(skill.name, edit)
    unmeasured = NOT_MEASURED if care is Care.UNMEASURED else too_few(edited.old)
    with setup.data.terminal_database() as database:
        if unmeasured is not None:
            written = replace(shelf.write(skill.name, edit), effect=unmeasured)
        else:
            async with (
                open_model(setup, progress) as model,
                open_engine(setup, model.inference, database, model.name, is_alone=True) as engine,
            ):
                progress("")
                weighing = engine.weighing(edited.old, edited.new)
                if not await to_the_end(_steps(weighing), weighing.num_answers):
                    return None
                if weighing.effect.is_worse and care is not Care.EVEN_IF_WORSE:
                    raise TeachingRefused(file_makes_worse(skill.name, weighing.effect))
                written = replace(shelf.write(skill.name, edit), effect=weighing.effect)
                await weighing.keep()
        await _keep(database, written, len(examples))
    return written


async def _steps(weighing: Weighing) -> AsyncGenerator[Step, None]:
    async with aclosing(weighing.steps()) as steps:
        async for number in steps:
            yield number, "Measuring" if number <= weighing.num_answers // 2 else "Measuring with the file"


async def _keep(database: Path, written: Written, num_examples: int) -> None:
    """Who taught it, in the terminal's database."""
    name = _login()
    lesson = Lesson(
        skill=written.new.name,
        change=written.change.number,
        num_examples=num_examples,
        scope=Scope(Platform.TERMINAL, "local", "terminal", "file"),
        author=Author(name, name),
    )
    store = await Store.open(database)
    try:
        await store.lessons.keep(lesson)
    finally:
        await store.close()


def as_taught(written: Written, care: Care) -> RenderableType:
    """What the skill has now, and what that does to it."""
    name, num_now = written.new.name, len(written.new.examples)
    num_taught = num_now - len(written.old.examples)
    learned = f"{num_taught} example{'' if num_taught == 1 else 's'}"
    told = f"/{name} has learned {learned} and has {num_now} now."
    if care is Care.UNMEASURED:
        lines = [f"Not measured, as you asked. `understudy skills test {name}` says how good it is."]
    else:
        lines = effect_lines(written.effect, (_BETTER, _WORSE))
    return Markdown("\n\n".join([told, *lines]))


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return "you"


def as_history(setup: Setup, name: str) -> RenderableType:
    """Every change of the bot's own, newest last. Who made it is in the database, which only one process reads at a time."""
    skill = found(setup.skillbook, name)
    changes = _shelf(setup).history(skill.name)
    if not changes:
        return Styled(f"The bot has not changed {skill.name}.yaml yet.")
    names, is_all = asyncio.run(_names(setup, skill.name))
    undone = {change.undoes for change in changes}
    table = Table(box=box.SIMPLE_HEAD)
    for header in ("N", "When", "What", "By", "Lines"):
        table.add_column(header, justify="right" if header == "N" else "left")
    for change in changes:
        table.add_row(*_row(change, names.get(change.number, ""), is_undone=change.number in undone))
    note = "" if is_all else "A running bot has its database: who taught there is shown when it has ended."
    return Group(table, Styled(f"understudy skills diff {skill.name} N shows a change. {note}".strip()))


def _row(change: Change, name: str, *, is_undone: bool) -> tuple[Styled, ...]:
    what = _DEEDS[change.deed] + (f" ({change.undoes})" if change.undoes else "")
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(change.at))
    changed = [line for line in unified(change.before, change.after, "", 0).splitlines() if line[:1] in "+-"]
    first = changed[0] + (" ..." if len(changed) > 1 else "") if changed else ""
    cells = (str(change.number), when, f"{what}, then taken back" if is_undone else what, name, first)
    return tuple(Styled(cell, overflow="ellipsis", no_wrap=True) for cell in cells)


async def _names(setup: Setup, skill: str) -> tuple[Mapping[int, str], bool]:
    """By the number of the change; and whether every database could be read."""
    names: dict[int, str] = {}
    is_all = True
    for use in Use:
        with setup.data.claimed(use) as database:
            if database is None:
                is_all = False
            elif database.exists():
                names |= await _names_in(setup, database, skill)
    return names, is_all


async def _names_in(setup: Setup, database: Path, skill: str) -> Mapping[int, str]:
    store = await open_store(setup, database)
    try:
        return {
            one.change: f"{one.author.name} ({one.scope.platform})" for one in await store.lessons.of(skill)
        }
    finally:
        await store.close()


def as_diff(setup: Setup, name: str, number: int) -> RenderableType:
    """One change as a diff.

    Raises:
        TeachingRefused: there is none of that number.
    """
    skill = found(setup.skillbook, name)
    for change in _shelf(setup).history(skill.name):
        if change.number == number:
            return Syntax(
                unified(change.before, change.after, f"{skill.name}.yaml", 3),
                "diff",
                background_color="default",
            )
    raise TeachingRefused(
        f"/{skill.name} has no change {number}. `understudy skills history {skill.name}` lists them."
    )


def _shelf(setup: Setup) -> Shelf:
    config = setup.config
    return open_shelf(config.skills_dir, setup.data.versions, has_git=config.teaching.git)
