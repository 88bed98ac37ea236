"""Laws of the writing: the old file or the new one, nobody's edit lost, every version kept, undo to the byte."""

import os
import stat
import subprocess
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from engine import exchange as exchange_room
from engine.errors import FileFaults, TeachingRefused
from engine.exchange import create, exchange
from engine.shelf import Shelf, open_shelf
from engine.skill import Example
from engine.skillbook import Skillbook
from engine.versions import Deed, unified

PAGE = "# mine\ndescription:  What it is\ninstructions: 'Say it.'\nexamples:\n  - {input: a, output: b}  # first\n\n# end"


def home(folder: Path, page: str = PAGE, *, has_git: bool = False) -> Shelf:
    (folder / "skills").mkdir(exist_ok=True)
    (folder / "skills" / "x.yaml").write_bytes(page.encode())
    return open_shelf(folder / "skills", folder / "versions", has_git=has_git)


def file_of(folder: Path) -> Path:
    return folder / "skills" / "x.yaml"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def one(said: str, answer: str = "b") -> tuple[Example, ...]:
    return (Example({"text": said}, answer),)


def said_in(folder: Path) -> list[str]:
    book = Skillbook(folder / "skills")
    assert not book.load().faults
    skill = book.get("x")
    assert skill is not None
    return [example.inputs["text"] for example in skill.examples]


def test_what_is_taught_is_in_the_file_and_undo_gives_the_old_bytes(tmp_path: Path) -> None:
    shelf = home(tmp_path)
    written = shelf.write("x", shelf.add("x", one("c")))
    assert file_of(tmp_path).read_text() == PAGE.replace("# first\n", "# first\n  - {input: c, output: b}\n")
    assert "+  - {input: c, output: b}" in written.diff
    assert shelf.undo("x").change.undoes == written.change.number
    assert file_of(tmp_path).read_bytes() == PAGE.encode()
    with pytest.raises(TeachingRefused, match="Nothing"):
        shelf.undo("x")


def test_undo_goes_back_step_by_step_and_history_keeps_every_step(tmp_path: Path) -> None:
    shelf = home(tmp_path)
    for said in "cde":
        shelf.write("x", shelf.add("x", one(said)))
    for left in (["a", "c", "d"], ["a", "c"], ["a"]):
        shelf.undo("x")
        assert said_in(tmp_path) == left
    changes = shelf.history("x")
    assert [change.deed for change in changes] == [Deed.TAUGHT] * 3 + [Deed.UNDONE] * 3
    assert [change.undoes for change in changes] == [0, 0, 0, 3, 2, 1]
    assert all(before.after == after.before for before, after in pairwise(changes))


def test_undo_after_an_edit_by_hand_takes_out_the_example_alone(tmp_path: Path) -> None:
    shelf = home(tmp_path)
    shelf.write("x", shelf.add("x", one("c")))
    edited = file_of(tmp_path).read_text().replace("Say it.", "Say it well.")
    file_of(tmp_path).write_text(edited)
    shelf.undo("x")
    assert file_of(tmp_path).read_text() == PAGE.replace("Say it.", "Say it well.")


def test_undo_of_what_was_changed_by_hand_says_why_and_leaves_the_file(tmp_path: Path) -> None:
    shelf = home(tmp_path)
    shelf.write("x", shelf.add("x", one("c")))
    edited = file_of(tmp_path).read_bytes().replace(b"input: c", b"input: something else")
    file_of(tmp_path).write_bytes(edited)
    with pytest.raises(TeachingRefused, match="changed by hand"):
        shelf.undo("x")
    assert file_of(tmp_path).read_bytes() == edited


def test_the_mode_of_the_file_is_kept_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    shelf = home(tmp_path)
    file_of(tmp_path).chmod(0o640)
    shelf.write("x", shelf.add("x", one("c")))
    assert stat.S_IMODE(file_of(tmp_path).stat().st_mode) == 0o640
    assert names_in(tmp_path / "skills") == ["x.yaml"]


# Somebody else writes


def test_an_edit_made_between_reading_and_writing_is_kept_and_taught_into(tmp_path: Path) -> None:
    shelf = home(tmp_path)
    add, times = shelf.add("x", one("c")), []

    def edit_while_somebody_saves(content: bytes):
        times.append(content)
        if len(times) == 1:
            file_of(tmp_path).write_text(PAGE.replace("Say it.", "Theirs."))
        return add(content)

    shelf.write("x", edit_while_somebody_saves)
    assert len(times) == 2
    assert "Theirs." in file_of(tmp_path).read_text()
    assert said_in(tmp_path) == ["a", "c"]
    assert len(shelf.history("x")) == 1


@pytest.mark.parametrize("is_rename", [False, True])
def test_an_edit_made_in_the_very_last_moment_stands_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_rename: bool
) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"old")
    swap: Callable[[Path, Path], bool] = exchange_room._swap
    calls = []

    def after_a_save(one: Path, other: Path) -> bool:
        calls.append(one)
        if len(calls) == 1:
            saved = tmp_path / "saved" if is_rename else path
            saved.write_bytes(b"theirs")
            saved.replace(path)
        return swap(one, other)

    monkeypatch.setattr(exchange_room, "_swap", after_a_save)
    assert not exchange(path, b"old", b"new")
    assert path.read_bytes() == b"theirs"
    assert names_in(tmp_path) == ["x.yaml"]


def test_without_a_swap_of_the_system_it_is_a_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_room, "_swap", lambda *_: False)
    path = tmp_path / "x.yaml"
    path.write_bytes(b"old")
    assert not exchange(path, b"other", b"new")
    assert exchange(path, b"old", b"new")
    assert path.read_bytes() == b"new"
    assert not create(path, b"again")
    assert names_in(tmp_path) == ["x.yaml"]


def test_many_writers_at_once_all_end_up_in_the_file(tmp_path: Path) -> None:
    home(tmp_path)
    shelves = [open_shelf(tmp_path / "skills", tmp_path / "versions", has_git=False) for _ in range(4)]

    def teach(number: int) -> None:
        for step in range(3):
            shelves[number].write("x", shelves[number].add("x", one(f"{number}.{step}")))

    threads = [threading.Thread(target=teach, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said_in(tmp_path)) == sorted(["a", *(f"{n}.{s}" for n in range(4) for s in range(3))])
    assert len(shelves[0].history("x")) == 12


# A crash, or a failing disk, at each step


class Crash(BaseException):
    """The process is gone: nothing of it runs any more."""


class Steps:
    """Every call that touches the disk, counted; from the n-th on each fails."""

    NAMES = ("open", "fsync", "link", "fchmod")  # a crash closes what is open: the lock goes with it

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail_at: int, error: BaseException) -> None:
        self.num_steps = 0
        self._fail_at, self._error = fail_at, error
        for name in self.NAMES:
            monkeypatch.setattr(exchange_room.os, name, self._counted(getattr(os, name)))
        monkeypatch.setattr(exchange_room, "_swap", self._counted(exchange_room._swap))
        for name in ("unlink", "rename", "replace"):
            monkeypatch.setattr(Path, name, self._counted(getattr(Path, name)))

    def _counted(self, call: Callable) -> Callable:
        def counted(*arguments, **named):
            self.num_steps += 1
            is_gone = isinstance(self._error, Crash)
            if self.num_steps == self._fail_at or (is_gone and self.num_steps > self._fail_at > 0):
                raise self._error
            return call(*arguments, **named)

        return counted


def num_steps(tmp_path: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        shelf = home(tmp_path)
        steps = Steps(patch, 0, Crash())
        shelf.write("x", shelf.add("x", one("c")))
    return steps.num_steps


@pytest.mark.parametrize("error", [Crash(), OSError(28, "No space left on device")], ids=["crash", "full"])
def test_whatever_step_fails_the_file_is_the_old_or_the_new_one_and_history_says_which(
    tmp_path: Path, error: BaseException
) -> None:
    count = num_steps(tmp_path / "count") if (tmp_path / "count").mkdir() is None else 0
    assert count > 10
    wanted = {PAGE.encode(), PAGE.replace("# first\n", "# first\n  - {input: c, output: b}\n").encode()}
    seen = set()
    for step in range(1, count + 1):
        folder = tmp_path / str(step)
        folder.mkdir()
        shelf = home(folder)
        with pytest.MonkeyPatch.context() as patch:
            Steps(patch, step, error)
            told: BaseException | None = None
            try:
                shelf.write("x", shelf.add("x", one("c")))
            except (Crash, TeachingRefused, FileFaults) as raised:
                told = raised
        content = file_of(folder).read_bytes()
        assert content in wanted
        assert (told is None) == (b"input: c" in content) or isinstance(error, Crash)
        seen.add(content)
        # The next start: everything works, and what was made can be taken back.
        again = open_shelf(folder / "skills", folder / "versions", has_git=False)
        again.write("x", again.add("x", one("d")))
        assert said_in(folder) == (["a", "c", "d"] if b"input: c" in content else ["a", "d"])
        again.undo("x")
        assert file_of(folder).read_bytes() == content
        if b"input: c" in content:
            again.undo("x")
            assert file_of(folder).read_bytes() == PAGE.encode()
    if isinstance(error, Crash):
        assert seen == wanted


# What cannot be done


def test_a_folder_that_cannot_be_written_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = home(tmp_path)

    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(exchange_room, "_swap", refuse)
    with pytest.raises(TeachingRefused, match="Permission denied"):
        shelf.write("x", shelf.add("x", one("c")))
    assert file_of(tmp_path).read_text() == PAGE
    assert shelf.history("x") == ()


def test_a_file_that_is_gone_or_full_of_faults_is_not_written(tmp_path: Path) -> None:
    shelf = home(tmp_path, "description: x\n")
    with pytest.raises(FileFaults):
        shelf.write("x", shelf.add("x", one("c")))
    file_of(tmp_path).unlink()
    with pytest.raises(TeachingRefused, match="not there"):
        shelf.write("x", shelf.add("x", one("c")))


def test_a_new_skill_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    shelf = home(tmp_path)
    shelf.create("y", PAGE.encode())
    assert (tmp_path / "skills" / "y.yaml").read_text() == PAGE
    for name in ("x", "y"):
        with pytest.raises(TeachingRefused, match="already"):
            shelf.create(name, PAGE.encode())
    with pytest.raises(FileFaults):
        shelf.create("z", b"description: x\n")
    assert names_in(tmp_path / "skills") == ["x.yaml", "y.yaml"]


# Git


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@localhost", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def repository(folder: Path) -> Shelf:
    shelf = home(folder, has_git=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "skills")
    git(folder, "commit", "-q", "-m", "first")
    return shelf


def subjects(folder: Path) -> list[str]:
    return git(folder, "log", "--format=%s").splitlines()


def test_each_example_is_one_commit_of_its_file_alone(tmp_path: Path) -> None:
    shelf = repository(tmp_path)
    (tmp_path / "skills" / "other.txt").write_text("staged by somebody")
    git(tmp_path, "add", "skills/other.txt")
    for said in "cd":
        assert shelf.write("x", shelf.add("x", one(said))).warning == ""
    assert shelf.undo("x").warning == ""
    assert subjects(tmp_path) == ["x forgets what it learned last", *["x learns an example"] * 2, "first"]
    assert git(tmp_path, "diff", "--name-only", "HEAD~1").split() == ["skills/other.txt", "skills/x.yaml"]
    assert git(tmp_path, "show", "--name-only", "--format=", "HEAD").split() == ["skills/x.yaml"]
    assert git(tmp_path, "status", "--porcelain", "skills").split() == ["A", "skills/other.txt"]
    assert shelf.create("y", PAGE.encode()).warning == ""
    assert subjects(tmp_path)[0] == "y is a new skill"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: file_of(folder).write_text(PAGE + "\n# mine\n"), "nobody has committed"),
        (lambda folder: git(folder, "checkout", "-q", "--detach"), "no branch"),
        (lambda folder: (folder / ".git" / "MERGE_HEAD").write_text("0" * 40), "a merge is under way"),
        (lambda folder: (folder / ".git" / "index.lock").write_text(""), "index.lock"),
        (lambda folder: (folder / ".git").rename(folder / "gone"), "git says"),
    ],
)
def test_a_repository_in_a_strange_state_is_a_warning_and_the_example_is_taught(
    tmp_path: Path, spoil: Callable[[Path], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    shelf = repository(tmp_path)
    spoil(tmp_path)
    written = shelf.write("x", shelf.add("x", one("c")))
    assert words in written.warning
    assert said_in(tmp_path) == ["a", "c"]


# Diffs


def test_a_diff_is_of_just_these_lines() -> None:
    assert unified("a\nb\nc\nd\n", "a\nb\nx\nc\nd\n", "f", 1).splitlines() == [
        "@@ -2,2 +2,3 @@",
        " b",
        "+x",
        " c",
    ]
