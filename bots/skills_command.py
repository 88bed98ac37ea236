"""`understudy skills`: lists, shows and tries the skills, and writes a new one."""

import os
from contextlib import aclosing
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text as Styled

from bots.data_folder import throwaway_database
from bots.opening import ModelOpener, Progress, open_engine
from bots.setup import Setup
from bots.terminal_session import TerminalSession
from engine import (
    Example,
    Fault,
    FileFaults,
    Finished,
    Input,
    Message,
    Methods,
    Right,
    Skill,
    Skillbook,
    UnknownCommand,
    examples_read,
    fault_of_name,
    skill_template,
    unsure_when,
)


def found(skillbook: Skillbook, name: str) -> Skill:
    """The skill of that name; `/name` will do as well.

    Raises:
        FileFaults: there is a file, but it cannot be used.
        UnknownCommand: there is none; it says which is nearest.
    """
    bare = name.removeprefix("/")
    if skill := skillbook.get(bare):
        return skill
    own_faults = tuple(fault for fault in skillbook.faults if Path(fault.path).name == f"{bare}.yaml")
    if own_faults:
        raise FileFaults(own_faults)
    raise UnknownCommand(bare, skillbook.nearest(bare))


def as_table(skillbook: Skillbook) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for header in ("Command", "What it does", "Answer"):
        table.add_column(header, no_wrap=header == "Command")
    table.add_column("Examples", justify="right")
    for skill in skillbook.skills:
        table.add_row(
            Styled(f"/{skill.name}"),
            Styled(skill.description),
            Styled(_answer(skill)),
            str(len(skill.examples)),
        )
    return table


def as_page(skill: Skill, methods: Path) -> RenderableType:
    """Everything that the skill's file says."""
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in (
        ("Answer", _answer(skill)),
        ("Sampling", f"temperature {skill.sampling.temperature:g}, max_tokens {skill.sampling.max_tokens}"),
        ("Memory", str(skill.memory)),
        ("Takes", str(skill.takes)),
        ("Examples", examples_read(skill)),
        ("Access", _access(skill)),
        *((name, value) for name, value in _decided(skill, methods)),
        ("Version", skill.version[:12]),
    ):
        facts.add_row(Styled(name, style="dim"), Styled(value))
    return Group(
        Styled.assemble((f"/{skill.name}", "bold"), f"  {skill.description}"),
        "",
        facts,
        "",
        Panel(Markdown(skill.instructions), title="Instructions", title_align="left", box=box.SQUARE),
        _inputs(skill.inputs),
        *(_example(number, one) for number, one in enumerate(skill.examples, 1)),
    )


def _decided(skill: Skill, methods: Path) -> tuple[tuple[str, str], ...]:
    """What decides its answers; nothing for a skill that writes them."""
    if not skill.is_chosen:
        return ()
    known = Methods(methods).of(skill)
    method = known or "not known yet: a bot that runs looks at it in its idle time"
    return ("Decided by", method), ("Unsure", unsure_when(skill))


def _access(skill: Skill) -> str:
    given = ((right, skill.access.named(right)) for right in Right)
    said = [f"{right}: {', '.join(ids) or 'nobody'}" for right, ids in given if ids is not None]
    return "; ".join(said) or "as config.yaml says"


def _answer(skill: Skill) -> str:
    if skill.choices:
        return " | ".join(skill.choices)
    return "JSON" if skill.output_schema else "text"


def _inputs(inputs: tuple[Input, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for header in ("Input", "What it is", "Choices"):
        table.add_column(header)
    for one in inputs:
        name = f"{one.name} (required)" if one.is_required else one.name
        table.add_row(Styled(name), Styled(one.description), Styled(", ".join(one.choices)))
    return table


def _example(number: int, example: Example) -> RenderableType:
    inputs = [Styled.assemble((f"{name}: ", "dim"), text) for name, text in example.inputs.items()]
    return Group(
        Styled(f"Example {number}", style="bold"),
        *inputs,
        Styled.assemble(("answer: ", "dim"), example.output),
        "",
    )


async def answer_once(
    setup: Setup, open_model: ModelOpener, progress: Progress, name: str, text: str
) -> Finished:
    """One answer of a skill; nothing of it is kept.

    Raises:
        UnderstudyError: there is no such skill, or it could not answer.
    """
    skill = found(setup.skillbook, name)
    spoken = TerminalSession().message(text)
    message = Message(spoken.id, spoken.scope, spoken.author, f"/{skill.name} {text}")
    with throwaway_database() as database:
        async with (
            open_model(setup, progress) as model,
            open_engine(setup, model.inference, database) as engine,
        ):
            progress("")
            async with aclosing(engine.respond(message)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        return event
    raise RuntimeError("an answer ended without its last event")


def write_new(folder: Path, name: str) -> Path:
    """Writes a commented skill to begin with. Never over a file that is there.

    Raises:
        FileFaults: the name is no command, the file is there, or it cannot be written.
    """
    path = folder / f"{name}.yaml"
    if fault := fault_of_name(name):
        raise FileFaults((Fault(name, None, fault),))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(skill_template(name))
    except FileExistsError:
        raise FileFaults(
            (Fault(_shown(path), None, "is there already; edit it, or take another name"),)
        ) from None
    except OSError as error:
        raise FileFaults((Fault(_shown(path), None, f"cannot be written ({error.strerror})"),)) from error
    return path


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def print_page(page: RenderableType) -> None:
    Console(highlight=False).print(page)
