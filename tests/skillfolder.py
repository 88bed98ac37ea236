"""Skills in real files, for tests in which something is taught."""

from pathlib import Path

from engine import Skillbook

CHAT = "description: Talk\ninstructions: You talk.\nmemory: conversation\n"
TRIAGE = """\
description: How urgent is it?
instructions: Say how urgent it is.
choices: [urgent, low]
examples:
  - {input: The site is down, output: urgent}
"""
MOOD = "description: The mood\ninstructions: Name the mood.\n"
PAGES = {"chat": CHAT, "triage": TRIAGE, "mood": MOOD}


def make_skillbook(folder: Path, **pages: str) -> Skillbook:
    """In `folder/skills`, beside what was there before: of a restart, the same files."""
    skills = folder / "skills"
    skills.mkdir(exist_ok=True)
    for name, page in (PAGES | pages).items():
        if not (skills / f"{name}.yaml").exists():
            (skills / f"{name}.yaml").write_text(page)
    book = Skillbook(skills)
    assert not book.load().faults
    return book


def page_of(folder: Path, name: str = "triage") -> str:
    return (folder / "skills" / f"{name}.yaml").read_text()
