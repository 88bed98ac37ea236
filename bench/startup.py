"""How long a start takes beside the model: a database of many turns, a folder of many skills. `python bench/startup.py [--turns N] [--skills N]`."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_ROOT = Path(__file__).resolve().parent.parent
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`

from engine import Skillbook, Store  # noqa: E402
from engine.database import Database, Statement  # noqa: E402

_BATCH = 5000
_LABELS = ("urgent", "normal", "low")


def write_skills(folder: Path, num_skills: int, num_examples: int = 20) -> None:
    folder.mkdir()
    for number in range(num_skills):
        examples = "".join(
            f"  - input: Page {index} of the shop is down for everyone since {number} this morning\n"
            f"    output: {_LABELS[index % 3]}\n"
            for index in range(num_examples)
        )
        page = f"description: What it is\ninstructions: Say what it is.\nchoices: [urgent, normal, low]\nexamples:\n{examples}"
        (folder / f"s{number}.yaml").write_text(page)


async def write_turns(path: Path, num_turns: int) -> None:
    """Of 900 bytes each, in conversations of twenty."""
    database = await Database.open(path)
    for start in range(0, num_turns, _BATCH):
        numbers = range(start, min(start + _BATCH, num_turns))
        conversations = sorted({number // 20 + 1 for number in numbers})
        await database.run(
            *(
                Statement(
                    "INSERT OR IGNORE INTO conversations (number, platform, workspace, channel, conversation, used_at)"
                    " VALUES (?, 'slack', 'T', 'C', ?, ?)",
                    (number, str(number), time.time()),
                )
                for number in conversations
            ),
            *(
                Statement(
                    "INSERT INTO turns (message_id, conversation_number, chapter, author, skill, question, answer, kept_at)"
                    " VALUES (?, ?, 0, ?, ?, ?, ?, ?)",
                    (
                        *(f"m{number}", number // 20 + 1, f"U{number % 300}", f"s{number % 500}"),
                        *("what is the matter with it " * 12, "this is the answer to it " * 20, time.time()),
                    ),
                )
                for number in numbers
            ),
        )
    await database.close()


@contextmanager
def _told(what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    print(f"{time.perf_counter() - started:7.3f} s  {what}", flush=True)


async def measure(folder: Path, num_turns: int, num_skills: int) -> None:
    database, skills = folder / "understudy.db", folder / "skills"
    with _told(f"to make {num_turns:,} turns and {num_skills} skills (once)"):
        await write_turns(database, num_turns)
        write_skills(skills, num_skills)
    print(f"{database.stat().st_size / 1e6:7.1f} MB of database")
    started = time.perf_counter()
    with _told("skills read"):
        Skillbook(skills).load()
    with _told("database checked and opened"):
        store = await Store.open(database)
    with _told("skills by use"):
        await store.skills_by_use()
    print(f"{time.perf_counter() - started:7.3f} s  together, beyond the model's load")
    with _told("a copy for a backup"):
        await store.copy_to(folder / "copy")
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--skills", type=int, default=500)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="understudy-startup-") as folder:
        asyncio.run(measure(Path(folder), given.turns, given.skills))


if __name__ == "__main__":
    main()
