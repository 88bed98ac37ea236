"""Laws of many at once: every example of the file, or every fault of it with its line."""

from pathlib import Path

import pytest

from engine.errors import FileFaults
from engine.examplefile import read_examples
from engine.skill import Example, Input
from tests.fakes import make_example, make_skill

TRIAGE = make_skill(
    "triage", choices=("urgent", "low"), examples=(make_example("The site is down", "urgent"),)
)
TONE = make_skill(
    "tone", inputs=(Input("text", "T", is_required=True), Input("tone", "H", choices=("soft", "hard")))
)
SCHEMA = (
    '{"type":"object","required":["who"],"properties":{"who":{"type":"string"}},"additionalProperties":false}'
)
CONTACT = make_skill("contact", output_schema=SCHEMA)


def read(folder: Path, name: str, content: str | bytes, skill=TRIAGE) -> list[tuple[dict[str, str], str]]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(dict(one.inputs), one.output) for one in read_examples(path, skill)]


def faults(folder: Path, name: str, content: str | bytes, skill=TRIAGE) -> list[tuple[int | None, str]]:
    with pytest.raises(FileFaults) as wrong:
        read(folder, name, content, skill)
    return [(fault.line, fault.what) for fault in wrong.value.faults]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_has_one_example_a_line_and_texts_of_several_lines_in_quotes(
    tmp_path: Path, mark: str
) -> None:
    content = f'\ufeffinput{mark}output\r\nall is calm{mark}LOW\r\n\r\n"it ""burns""\r\nhere"{mark}urgent\r\n'
    assert read(tmp_path, "x.csv", content) == [
        ({"text": "all is calm"}, "low"),
        ({"text": 'it "burns"\nhere'}, "urgent"),
    ]


def test_columns_may_be_the_names_of_inputs_and_empty_cells_are_left_out(tmp_path: Path) -> None:
    content = "output,tone,text\nCould you?,soft,Do it\nDo it,,Do it now\n"
    assert read(tmp_path, "x.csv", content, TONE) == [
        ({"text": "Do it", "tone": "soft"}, "Could you?"),
        ({"text": "Do it now"}, "Do it"),
    ]


def test_json_lines_take_texts_inputs_by_name_and_json_answers(tmp_path: Path) -> None:
    content = '{"input": "a", "output": "b"}\n\n{"input": {"tone": "hard", "text": "c"}, "output": "d"}\n'
    assert read(tmp_path, "x.jsonl", content, TONE) == [
        ({"text": "a"}, "b"),
        ({"text": "c", "tone": "hard"}, "d"),
    ]
    content = '{"input": "a", "output": {"who": "Ann"}}\n{"input": "b", "output": "{\\"who\\": \\"Bo\\"}"}'
    assert [output for _, output in read(tmp_path, "y.jsonl", content, CONTACT)] == [
        '{"who": "Ann"}',
        '{"who": "Bo"}',
    ]


def test_every_fault_of_a_table_comes_at_once_with_its_line(tmp_path: Path) -> None:
    content = 'input,output\n"a\nb",urgnet\nonly one\n,low\nx,\nThe site is down!,low\nsame,low\nsame,urgent\nSame.,low\n'
    found = faults(tmp_path, "x.csv", content)
    assert [line for line, _ in found] == [2, 4, 5, 6, 7, 9, 10]
    words = ["urgent, low", "columns", "needs", "`output` is empty", "contradicts", "line 8", "line 8"]
    assert all(word in what for word, (_, what) in zip(words, found, strict=True)), found


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("x.csv", "text,answer\na,b\n", 1),
        ("x.csv", "", 1),
        ("x.csv", "input,output\n", None),
        ("x.csv", "input,wrong,output\na,b,low\n", 2),
        ("x.csv", 'input,output\na,"low"x\n', 2),
        ("x.csv", b"input,output\n\xff,low\n", None),
        ("x.jsonl", '{"input": "a", "output": "low"}\n{"input": 1, "output": "low"}\n', 2),
        ("x.jsonl", '{"input": "a"}', 1),
        ("x.jsonl", "no", 1),
        ("x.jsonl", "", None),
        ("x.txt", "a", None),
    ],
)
def test_what_is_no_list_of_examples_is_a_fault(
    tmp_path: Path, name: str, content: str | bytes, line: int
) -> None:
    assert [found for found, _ in faults(tmp_path, name, content)] == [line]


def test_an_answer_that_does_not_fit_the_schema_is_a_fault(tmp_path: Path) -> None:
    content = '{"input": "a", "output": {"whom": "x"}}\n{"input": "b", "output": "Ann"}'
    assert [line for line, _ in faults(tmp_path, "x.jsonl", content, CONTACT)] == [1, 2]


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FileFaults):
        read_examples(tmp_path / "none.csv", TRIAGE)
    assert Example({"text": "a"}, "b") != Example({"text": "a"}, "c")
