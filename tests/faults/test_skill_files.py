"""Skill files that are cut, broken, bombs or in the way of something, while the skillbook is in use; and a teacher who is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import skillbook as skillbook_room
from engine.shelf import open_shelf
from engine.skill import Example
from engine.skillbook import MAX_FILES, Reload, Skillbook
from engine.yamlfile import read_bytes
from tests.outcomes import Injected
from tests.processes import ROOT

PAGE = """\
description: How urgent is it?
instructions: |
  Say how urgent it is.
  In one word.
choices: [urgent, low]
examples:
  - input: The site is down
    output: urgent
  - {input: "A typo, on the help page", output: low}
"""
OTHER = "description: Talk\ninstructions: You talk.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "skills"
    path.mkdir()
    (path / "triage.yaml").write_text(PAGE)
    return path


def loaded(folder: Path) -> tuple[Skillbook, list[Reload]]:
    book = Skillbook(folder)
    assert not book.load().faults
    told: list[Reload] = []
    book.subscribe(told.append)
    return book, told


# F28: what stands in a file

BROKEN = {
    "empty": b"",
    "spaces": b"  \n\n",
    "no map": b"- a\n- b\n",
    "a text": b"just a text\n",
    "an open quote": b"description: 'How\ninstructions: x\n",
    "an open bracket": b"description: [\n",
    "a tab": b"description: x\ninputs:\n\ttext: y\n",
    "a second colon": b"description: a: b\ninstructions: x\n",
    "a key twice": b"description: a\ndescription: b\ninstructions: x\n",
    "a key that is none": b"descripton: a\ninstructions: x\n",
    "a wrong type": b"description: a\ninstructions: x\nchoices: urgent\n",
    "an anchor bomb": b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n",
    "a merge bomb": b"a: &a {k: v}\nb: {<<: [*a, *a, *a]}\n",
    "a tag": b"description: !!python/object/apply:os.system ['true']\ninstructions: x\n",
    "depth": b"description: " + b"[" * 50_000,
    "a depth of maps": b"description: " + b"{a: " * 5_000,
    "far too large": b"description: " + b"x" * (300 << 10),
    "very many nodes": b"description: a\ninstructions: x\nexamples: [" + b"a," * 60_000 + b"]\n",
    "zeros": bytes(4096),
    "no UTF-8": b"description: \xff\xfe\ninstructions: x\n",
    "UTF-16": "description: a\n".encode("utf-16"),
    "a control character": b"description: a\x07\ninstructions: x\n",
    "two documents": b"description: a\ninstructions: x\n---\ndescription: b\n",
    "a merge conflict": b"<<<<<<< HEAD\ndescription: a\n=======\ndescription: b\n>>>>>>> x\n",
}


@pytest.mark.fault("F28", "a skill's file becomes broken, a bomb, deep or huge, in 24 ways")
async def test_the_last_good_version_stays_the_line_is_said_once_and_others_go_on(
    folder: Path, injected: Injected
) -> None:
    (folder / "chat.yaml").write_text(OTHER)
    book, told = loaded(folder)
    good = book.get("triage")
    for name, content in BROKEN.items():
        (folder / "triage.yaml").write_bytes(content)
        (folder / "chat.yaml").write_text(OTHER + f"# {name}\n")
        await book.refresh()
        reload = told.pop()
        assert reload.changed == ("chat",), name
        assert book.get("triage") is good, name
        assert reload.faults, name
        assert all(Path(fault.path).name == "triage.yaml" for fault in reload.faults), name
        has_line = any(fault.line for fault in reload.faults)
        assert has_line or name == "far too large", (name, reload.faults)
        assert all(len(fault.what) < 300 for fault in reload.faults), name
        await book.refresh()
        assert told == [], name  # said once
        injected(1)
    (folder / "triage.yaml").write_text(PAGE.replace("one word", "two words"))
    await book.refresh()
    assert (told[-1].changed, told[-1].faults) == (("triage",), ())


@pytest.mark.fault("F28", "a skill's file is cut at every byte, as by a writer that was stopped")
def test_a_cut_is_the_old_skill_or_what_the_whole_lines_say_never_half_a_line(
    folder: Path, injected: Injected
) -> None:
    content = PAGE.encode()
    for end in range(len(content)):
        (folder / "triage.yaml").write_bytes(content)
        book, _ = loaded(folder)
        good = book.get("triage")
        (folder / "triage.yaml").write_bytes(content[:end])
        book.load()
        now = book.get("triage")
        assert now is not None
        injected(1)
        if now is good:
            continue
        # Whole lines are what somebody may have meant: they took out what came behind.
        assert content[:end].endswith(b"\n") or content[end : end + 1] == b"\n", end
        assert good is not None
        assert now.examples == good.examples[: len(now.examples)]
        assert good.instructions.startswith(now.instructions)


# F29: what stands in the folder


@pytest.mark.fault(
    "F29", "links in a circle, links out of the folder, a folder and a pipe with a skill's name"
)
def test_each_is_told_and_the_skills_are_read(folder: Path, tmp_path: Path, injected: Injected) -> None:
    (folder / "a.yaml").symlink_to(folder / "b.yaml")
    (folder / "b.yaml").symlink_to(folder / "a.yaml")
    (folder / "self.yaml").symlink_to("self.yaml")
    (tmp_path / "secret").write_text(OTHER)
    (folder / "out.yaml").symlink_to(tmp_path / "secret")
    (folder / "home.yaml").symlink_to(folder)
    (folder / "folder.yaml").mkdir()
    os.mkfifo(folder / "pipe.yaml")
    book = Skillbook(folder)
    reload = book.load()
    assert reload.added == ("triage",)
    assert {Path(fault.path).name for fault in reload.faults} == {
        *("a.yaml", "b.yaml", "self.yaml", "out.yaml", "home.yaml", "folder.yaml", "pipe.yaml")
    }
    injected(7)


@pytest.mark.fault("F29", "ten thousand files in the folder of skills")
async def test_five_hundred_are_read_and_it_is_said_and_a_look_stays_cheap(
    folder: Path, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    for number in range(10_000):
        (folder / f"s{number}.yaml").write_text("x")
    num_read = 0

    def counted(path: Path, *, follow_links: bool) -> bytes:
        nonlocal num_read
        num_read += 1
        return read_bytes(path, follow_links=follow_links)

    monkeypatch.setattr(skillbook_room, "read_bytes", counted)
    book = Skillbook(folder)
    reload = book.load()
    assert num_read <= MAX_FILES
    assert any(f"holds 10001 skills, of which {MAX_FILES} are read" in fault.what for fault in reload.faults)
    assert len(skillbook_room._glance_at(folder).files) <= MAX_FILES + 1
    injected(10_000)


@pytest.mark.fault(
    "F29", "a file that is gone between the look at the folder and the reading, and at each look"
)
async def test_it_is_passed_over_and_the_next_look_finds_what_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    (folder / "chat.yaml").write_text(OTHER)
    (folder / "gone.yaml").write_text(OTHER)
    book, told = loaded(folder)
    names = skillbook_room._file_names(folder)
    (folder / "gone.yaml").unlink()
    with monkeypatch.context() as before:
        before.setattr(skillbook_room, "_file_names", lambda _: names)
        skillbook_room._glance_at(folder)
        await book.refresh()
        injected(2)
    assert told[-1].removed == ("gone",)
    assert (book.names, book.faults) == (("chat", "triage"), ())


@pytest.mark.fault("F29", "a folder of skills that may not be read, and one that is gone")
async def test_the_skills_stay_as_they_were_and_what_to_do_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    book, told = loaded(folder)

    def refused(_: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as locked:
        locked.setattr(skillbook_room, "_file_names", refused)
        await book.refresh()
    assert "cannot be read (Permission denied)" in told[-1].faults[0].what
    assert book.names == ("triage",)
    folder.rename(folder.with_name("elsewhere"))
    await book.refresh()
    assert "skills_dir" in told[-1].faults[0].what
    assert book.names == ("triage",)
    folder.with_name("elsewhere").rename(folder)
    await book.refresh()
    assert told[-1].faults == ()
    injected(2)


# F16: killed in the middle of teaching

_NUM_KILLS = 25
# Starts teachers and kills each at another moment; all that is looked at is what stands in the files.
_KILLER = """
import itertools, json, os, random, signal, sys, time
from pathlib import Path
from engine.shelf import open_shelf
from engine.skill import Example
from engine.skillbook import Skillbook
folder, num_kills = Path(sys.argv[1]), int(sys.argv[2])

def opened():
    return open_shelf(folder / "skills", folder / "versions", has_git=False)

def teach(begin, told):
    shelf = opened()
    for number in itertools.count(begin):
        shelf.write("triage", shelf.add("triage", (Example({"text": f"example {number}"}, "low"),)))
        os.write(told, b".")

num_taught, found = 0, []
for kill in range(num_kills):
    reading, writing = os.pipe()
    teacher = os.fork()
    if teacher == 0:
        teach(num_taught, writing)
    os.close(writing)
    num_told = sum(len(os.read(reading, 1)) for _ in range(1 + kill % 3))
    time.sleep(random.Random(kill).random() * 0.01)
    os.kill(teacher, signal.SIGKILL)
    os.waitpid(teacher, 0)
    while more := os.read(reading, 100):
        num_told += len(more)
    os.close(reading)
    book = Skillbook(folder / "skills")
    faults = [str(fault) for fault in book.load().faults]
    changes = opened().history("triage")
    said = [example.inputs["text"] for example in book.skills[0].examples]
    is_last = changes[-1].after.encode() == (folder / "skills" / "triage.yaml").read_bytes()
    found.append((num_taught + num_told, said, faults, len(changes), is_last))
    num_taught = len(changes)
print(json.dumps(found))
"""


@pytest.mark.fault("F16", "kill -9 to a process that teaches, at any moment")
def test_the_file_is_the_old_or_the_new_one_and_its_history_says_which(
    folder: Path, tmp_path: Path, injected: Injected
) -> None:
    killer = [sys.executable, "-c", _KILLER, str(tmp_path), str(_NUM_KILLS)]
    ran = subprocess.run(killer, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    for num_told, said, faults, num_changes, is_last in json.loads(ran.stdout):
        assert faults == []
        assert said[2:] == [f"example {number}" for number in range(num_changes)]
        assert num_changes in {
            num_told,
            num_told + 1,
        }  # what was told as taught is there, and at most the next
        assert is_last
        injected(1)
    shelf = open_shelf(folder, tmp_path / "versions", has_git=False)
    for _ in range(num_changes):
        shelf.undo("triage")
    assert (folder / "triage.yaml").read_text() == PAGE
    shelf.write("triage", shelf.add("triage", (Example({"text": "and again"}, "low"),)))
