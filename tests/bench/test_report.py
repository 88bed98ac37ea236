"""The documents that a run's figures are written into."""

import xml.etree.ElementTree as ET

import pytest

from bench.document import Document, write
from bench.figures import Figures
from bench.marks import begin, end
from bench.report import NO_GPU, main

BEGIN, END = begin("report.py"), end("report.py")

_FRAME = f"# Title\n\nBefore.\n\n{BEGIN}\nold text\n{END}\n\nAfter.\n"


def _document(rate: float = 20.0, gpu: str = "") -> Document:
    figures = Figures()
    for people in (1, 8):
        for variant, value in {"ours": rate, "server": 10.0, "lock": 5.0}.items():
            quantities = {"tokens_per_second": value, "first_p50_seconds": 1.0, "first_p95_seconds": 1.0}
            figures.note("warm", people, variant, 0, **quantities)
    for length in (100, 400, 800, 1600):
        for variant in ("ours", "server"):
            figures.note(
                "length", 1, f"{variant} {length}", 0, cold_first_seconds=2.0, warm_first_seconds=1.0
            )
    return Document("tiny.gguf", "2 threads of 2 cores", gpu, "2026-01-31", ("model tiny.gguf",), figures)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "docs" / "performance").mkdir(parents=True)
    for path in (tmp_path / "README.md", tmp_path / "docs" / "performance.md"):
        path.write_text(_FRAME)
    write(tmp_path / "docs" / "performance" / "starter.json", _document())
    return tmp_path


def _report(root, expected: int = 0) -> str:
    assert main(["--root", str(root)]) == expected
    return (root / "docs" / "performance.md").read_text()


def test_only_what_stands_between_the_marks_is_written(root):
    text = _report(root)
    assert text.startswith("# Title\n\nBefore.\n")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "old text" not in text
    assert "warm" in text


def test_writing_again_changes_nothing(root):
    first, readme = _report(root), (root / "README.md").read_text()
    assert _report(root) == first
    assert (root / "README.md").read_text() == readme


def test_every_picture_that_a_document_shows_is_there(root):
    for path in ("README.md", "docs/performance.md"):
        _report(root)
        shown = [part.split(")")[0] for part in (root / path).read_text().split("](")[1:]]
        assert len(shown) == 3
        for one in shown:
            ET.parse((root / path).parent / one)


def test_a_missed_goal_stays_with_its_figure_and_the_reason(root):
    write(root / "docs" / "performance" / "starter.json", _document(rate=8.0))
    (root / "docs" / "performance" / "reasons.yaml").write_text(
        '"warm: 8 people: tokens/s over llama-server\'s": the moon was full\n'
    )
    for text in (_report(root), (root / "README.md").read_text()):
        row = next(
            line for line in text.splitlines() if "8 people: tokens/s over llama" in line and "|" in line
        )
        assert "0.8x | **no** | the moon was full" in row
        other = next(
            line for line in text.splitlines() if "1 person: tokens/s over llama" in line and "|" in line
        )
        assert "not known yet" in other


def test_without_a_card_the_documents_say_that_it_has_not_been_run(root):
    assert NO_GPU in _report(root)
    write(root / "docs" / "performance" / "gpu.json", _document(gpu="A card of 24 GB"))
    text = _report(root)
    assert NO_GPU not in text
    assert "A card of 24 GB" in text


def test_the_starter_model_comes_first(root):
    write(root / "docs" / "performance" / "gpu.json", _document(gpu="A card"))
    write(root / "docs" / "performance" / "another.json", _document())
    assert _report(root).index("2 threads of 2 cores") < _report(root).index("on A card")


def test_without_figures_it_says_how_to_get_them(root, capsys):
    (root / "docs" / "performance" / "starter.json").unlink()
    assert "old text" in _report(root, expected=1)
    assert "bench/engine.py --json" in capsys.readouterr().err


def test_a_document_without_marks_is_left_alone(root, capsys):
    (root / "README.md").write_text("# No marks\n")
    _report(root, expected=1)
    assert (root / "README.md").read_text() == "# No marks\n"
    assert "README.md" in capsys.readouterr().err


def test_a_file_of_something_else_is_named(root, capsys):
    (root / "docs" / "performance" / "other.json").write_text("{}")
    assert "old text" in _report(root, expected=1)
    assert "other.json" in capsys.readouterr().err
