"""A name never leads out of its folder: typed in a chat, on the command line, or as the name of a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bots.__main__ import main
from engine import Skillbook, UnderstudyError, sentence
from engine.shelf import open_shelf
from engine.skillfile import fault_of_name
from tests.fakes import FakeInference, collect, make_example, make_message, open_engine
from tests.home import opener_of, write_home
from tests.outcomes import Injected
from tests.skillfolder import TRIAGE, make_skillbook

NAMES = (
    "../x", "../../etc/passwd", "a/../../b", "/etc/passwd", "/tmp/x", "./x", "x/y", "x\\y", "..\\x", "..", ".", "",
    "~", "~/x", "$HOME", "`id`", "$(id)", "x;id", "x|y", "x\0", "x\0.yaml", "x\n", "x\ny", "x y", "-x", "--config",
    ".hidden", "x.yaml", "x.", "CON", "con", "nul", "COM1", "lpt9", "a" * 255, "a" * 32, "Ⅷ", "аdmin", "e\u0301", "ﬁle",
    "x\u202ey", "x\u200by", "％2e％2e", "%2e%2e%2fx", "C:\\x", "file:///x", "forget", "teach", "\U0001f600", "ＣＯＮ",
)  # fmt: skip


@contextmanager
def _nothing_else_changes(folder: Path) -> Iterator[None]:
    """Outside of the skills' and the data folder there is what there was; in the skills' folder only skills with fine names."""
    before = _all(folder)
    yield
    new = _all(folder) - before
    for path in new:
        inner = path.relative_to(folder)
        assert inner.parts[0] == "home", path
        assert inner.parts[1] in {"data", "skills"}, path
        if inner.parts[1] == "skills" and len(inner.parts) > 2:
            assert len(inner.parts) == 3, path
            assert path.name.startswith(".") or fault_of_name(path.stem) is None, path


def _all(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    write_home(folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.threat("S13", "50 names of skills in every command of the command line")
def test_no_command_reads_or_writes_outside_of_its_folders(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], injected: Injected
) -> None:
    secret = tmp_path / "x.yaml"
    secret.write_text("description: out of reach\ninstructions: A secret of another folder.\n")
    opener = opener_of(FakeInference())
    commands: tuple[Callable[[str], list[str]], ...] = (
        lambda name: ["skills", "new", name],
        lambda name: ["skills", "show", name],
        lambda name: ["skills", "history", name],
        lambda name: ["skills", "diff", name],
        lambda name: ["skills", "undo", name],
        lambda name: ["skills", "try", name, "hello"],
    )
    with _nothing_else_changes(tmp_path):
        for name in NAMES:
            for command in commands:
                assert main(command(name), opener=opener) != 0, command(name)
    told = capsys.readouterr()
    assert "out of reach" not in told.out + told.err
    assert "secret of another" not in told.out + told.err
    injected(len(NAMES) * len(commands))


@pytest.mark.threat("S13", "50 names of skills, made, taught, undone, measured and asked for in a chat")
async def test_no_message_reads_or_writes_outside_of_its_folders(
    home: Path, tmp_path: Path, injected: Injected
) -> None:
    (tmp_path / "x.yaml").write_text("description: out of reach\ninstructions: A secret.\n")
    book = Skillbook(home / "skills")
    book.load()
    (home / "data").mkdir()
    asked = (
        "/skill new {}\nSays a letter\na => b\nc => d",
        "/teach {} a => b",
        "/undo {}",
        "/test {}",
        "/curve {}",
        "/help {}",
        "/{} x",
    )
    with _nothing_else_changes(tmp_path):
        async with open_engine(home / "data", FakeInference(), book=book) as engine:
            for name in NAMES:
                for text in asked:
                    try:
                        events = await collect(engine.respond(make_message(text.format(name))))
                    except UnderstudyError as error:
                        told = sentence(error)
                    else:
                        told = str(events)
                    assert "out of reach" not in told
            assert {path.stem for path in (home / "skills").glob("*.yaml")} == set(book.names)
            assert all(fault_of_name(name) is None for name in book.names)
    injected(len(NAMES) * len(asked))


@pytest.mark.threat(
    "S13",
    "files in the skills' folder that are links: to a file outside, to a device, to each other, to nothing",
)
def test_a_skill_that_is_a_link_is_not_read_and_not_written(tmp_path: Path, injected: Injected) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(TRIAGE)
    (tmp_path / "inside").mkdir()
    book = make_skillbook(tmp_path / "inside")
    skills = tmp_path / "inside" / "skills"
    for name, target in {
        "one": outside,
        "two": Path("/dev/zero"),
        "three": Path("three.yaml"),
        "four": Path("nowhere"),
        "five": Path("/proc/self/environ"),
    }.items():
        (skills / f"{name}.yaml").symlink_to(target)
    (skills / "triage.yaml").rename(skills / "kept.yaml")
    (skills / "triage.yaml").symlink_to(outside)
    before = outside.read_bytes()
    book.load()
    assert set(book.names) == {"chat", "kept", "mood", "triage"}  # triage as it was before it became a link
    assert len([one for one in book.faults if "link" in str(one)]) == 6
    shelf = open_shelf(skills, tmp_path / "versions", has_git=False)
    with pytest.raises(UnderstudyError):
        shelf.write("triage", shelf.add("triage", (make_example("a", "low"),)))
    assert outside.read_bytes() == before
    injected(6)


@pytest.mark.threat("S13", "names that look like those of other skills")
@pytest.mark.parametrize("name", NAMES)
def test_only_lower_case_letters_digits_and_two_marks_are_a_name(name: str) -> None:
    assert fault_of_name(name) is not None
