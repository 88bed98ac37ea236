"""`understudy skills teach | history | diff`: many examples at once, and what the bot changed in a skill's file."""

import asyncio
import getpass
import time
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text as Styled

from bots.data_folder import Use
from bots.opening import open_store
from bots.setup import Setup
from bots.skills_command import found
from engine import (
    Author,
    Change,
    Deed,
    Lesson,
    Platform,
    Scope,
    Shelf,
    Store,
    TeachingRefused,
    Written,
    open_shelf,
    read_examples,
    unified,
)

_DEEDS = {Deed.TAUGHT: "taught", Deed.UNDONE: "taken back", Deed.CREATED: "made"}


def teach_file(setup: Setup, name: str, file: Path) -> Written:
    """Teaches every example of the file, or none.

    Raises:
        FileFaults: every fault of it, with its line.
        UnderstudyError: there is no such skill, or its file cannot be edited.
    """
    skill = found(setup.skillbook, name)
    examples = read_examples(file, skill)
    shelf = _shelf(setup)
    written = shelf.write(skill.name, shelf.add(skill.name, examples))
    asyncio.run(_keep(setup, written, len(examples)))
    return written


async def _keep(setup: Setup, written: Written, num_examples: int) -> None:
    """Who taught it, in the terminal's database."""
    name = _login()
    lesson = Lesson(
        skill=written.new.name,
        change=written.change.number,
        num_examples=num_examples,
        scope=Scope(Platform.TERMINAL, "local", "terminal", "file"),
        author=Author(name, name),
    )
    with setup.data.terminal_database() as database:
        store = await Store.open(database)
        try:
            await store.lessons.keep(lesson)
        finally:
            await store.close()


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
