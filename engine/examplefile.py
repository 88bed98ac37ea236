"""Many examples in one file, a table (.csv) or a JSON object a line (.jsonl): all of them, or every fault with its line."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import jsonschema

from engine.command import checked_inputs
from engine.errors import UnderstudyError
from engine.likeness import exact_kin
from engine.nearest import normalised
from engine.prompt import input_text
from engine.skill import Example, Skill
from engine.skilledit import same_output
from engine.teachform import answer_of
from engine.wording import sentence
from engine.yamlfile import FaultList, shown, shown_path

MAX_FILE_BYTES = 10_000_000
_INPUT, _OUTPUT = "input", "output"


@dataclass(frozen=True, slots=True)
class _Row:
    """`given` is by the names of inputs; under the empty name stands the main one."""

    line: int
    given: Mapping[str, str]
    output: str


def read_examples(path: Path, skill: Skill) -> tuple[Example, ...]:
    """Every example of the file, checked against the skill and against each other.

    Raises:
        FileFaults: every fault, with its line; then none of the file is to be taught.
    """
    faults = FaultList(shown_path(path))
    text = _text(path, faults)
    faults.raise_any()
    rows = tuple(
        _json_rows(text, skill, faults) if path.suffix.lower() == ".jsonl" else _table_rows(text, faults)
    )
    examples = {row.line: one for row in rows if (one := _example(row, skill, faults)) is not None}
    _check_together(examples, skill, faults)
    if not rows and not faults.found:
        faults.add(None, "holds no example")
    faults.raise_any()
    return tuple(examples.values())


def _text(path: Path, faults: FaultList) -> str:
    if path.suffix.lower() not in (".csv", ".jsonl"):
        faults.add(None, "is neither a .csv nor a .jsonl file")
        return ""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            faults.add(None, f"is larger than {MAX_FILE_BYTES // 1_000_000} MB; split it")
            return ""
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        faults.add(None, "is not UTF-8 text; save the file as UTF-8")
    except OSError as error:
        faults.add(None, f"cannot be read ({error.strerror})")
    return ""


def _table_rows(text: str, faults: FaultList) -> Iterator[_Row]:
    """The first line names the columns: `output`, and `input` or the names of the skill's inputs."""
    head = text.partition("\n")[0]
    delimiter = next(
        (one for one in ",;\t" if _OUTPUT in [cell.strip(' "\r') for cell in head.split(one)]), None
    )
    if delimiter is None:
        faults.add(1, "the first line must name the columns: `input,output`")
        return
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        names = [name.strip() for name in next(reader)]
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) == len(names):
                    yield _row_of(line, dict(zip(names, cells, strict=True)))
                else:
                    faults.add(line, f"has {len(cells)} columns, and the first line names {len(names)}")
            line = reader.line_num + 1
    except csv.Error as error:
        faults.add(line, f"cannot be read as a table ({error}); a text with quotes in it has them doubled")


def _row_of(line: int, cells: Mapping[str, str]) -> _Row:
    given = {("" if name == _INPUT else name): cell for name, cell in cells.items() if name != _OUTPUT}
    return _Row(line, {name: cell for name, cell in given.items() if cell.strip()}, cells[_OUTPUT])


def _json_rows(text: str, skill: Skill, faults: FaultList) -> Iterator[_Row]:
    for line, said in enumerate(text.split("\n"), 1):
        if not said.strip():
            continue
        try:
            value = json.loads(said)
        except (ValueError, RecursionError):
            faults.add(line, "is no JSON")
            continue
        if not isinstance(value, dict) or set(value) != {_INPUT, _OUTPUT}:
            faults.add(line, 'must be an object such as {"input": "...", "output": "..."}')
            continue
        given = {"": value[_INPUT]} if isinstance(value[_INPUT], str) else value[_INPUT]
        output = value[_OUTPUT]
        if skill.output_schema is not None and not isinstance(output, str):
            output = json.dumps(output, ensure_ascii=False)
        if not isinstance(given, dict) or not all(isinstance(one, str) for one in (*given.values(), output)):
            faults.add(
                line, "`input` must be a text, or texts by the names of the inputs, and `output` a text"
            )
            continue
        yield _Row(line, given, output)


def _example(row: _Row, skill: Skill, faults: FaultList) -> Example | None:
    try:
        given = {(name or skill.main_input.name): _plain(text) for name, text in row.given.items()}
        output = _plain(row.output)
        if not output.strip():
            faults.add(row.line, "`output` is empty")
            return None
        example = Example(checked_inputs(skill, given), answer_of(skill, output))
    except UnderstudyError as error:
        faults.add(row.line, sentence(error))
        return None
    return example if _fits(row, skill, example.output, faults) else None


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")


def _fits(row: _Row, skill: Skill, output: str, faults: FaultList) -> bool:
    if skill.output_schema is None:
        return True
    try:
        jsonschema.validate(json.loads(output), json.loads(skill.output_schema))
    except jsonschema.ValidationError as error:
        faults.add(row.line, f"`output` does not fit the skill's: {shown(error.message)}")
    except (ValueError, RecursionError):
        faults.add(row.line, "`output` is no JSON, and the skill answers with JSON")
    else:
        return True
    return False


def _check_together(examples: Mapping[int, Example], skill: Skill, faults: FaultList) -> None:
    """No example twice, and none that contradicts another, of the file or of the skill."""
    taught = exact_kin(skill, skill.examples)
    lines: dict[str, int] = {}
    for line, example in examples.items():
        text = normalised(input_text(skill, example.inputs))
        known = taught.get(text)
        if known is not None:
            where = f"line {lines[text]}" if text in lines else "the skill"
            is_same = same_output(skill, known.output, example.output)
            what = (
                "is there already, in"
                if is_same
                else f"contradicts `{shown(known.output)}` for the same input in"
            )
            faults.add(line, f"{what} {where}; take one out")
        else:
            taught[text] = example
            lines[text] = line
