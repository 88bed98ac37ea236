"""Measures what teaching does: `python bench/teaching.py --sets FOLDER --json FILE --quick`. Prints tables, writes figures as JSON.

On public data sets, with the starter model: ours after 0 to 2,000 taught examples, beside the peers' ways to use the same examples on
the same model. What is computed is kept on disk: a run that was ended goes on where it was.
"""

# ruff: noqa: E402
import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`
os.environ["PYTHONPATH"] = str(_ROOT)  # for the processes that are started from here
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `understudy` sets it, before numpy is there

from bench.console import say
from bench.machine import describe
from bench.table import as_text
from bench.teaching_extraction import note_extraction
from bench.teaching_features import Models, Reader, find_models, started
from bench.teaching_goals import LARGEST, SIZES, goals
from bench.teaching_live import Product, fits, note_teaching, product, write_skill
from bench.teaching_others import Peers, note_answers, note_times, prepared
from bench.teaching_ours import drawn, note_doubts, note_foreign, note_taught
from bench.teaching_peer import PeerSettings
from bench.teaching_peers import PASTED_TOKENS, POOL, SHOTS_TOKENS, Answers, few_shot
from bench.teaching_report import long_text, met
from bench.teaching_results import Head, Results, read, write
from bench.teaching_sets import (
    CHOICES,
    EXTRACTION,
    FOREIGN,
    MAX_CHARACTERS,
    NUM_SHOWN,
    SETS,
    ChoiceSet,
    DataMissing,
    checked_folder,
    foreign_texts,
    read_set,
)
from bench.teaching_tables import accuracy_rows, goal_rows, peer_rows, time_rows
from bench.teaching_tuning import tuned
from engine.inference import ModelUnusable

CACHE = Path.home() / ".cache" / "understudy" / "bench-teaching"
PARTS = ("ours", "live", "extraction", "peers")  # the longest last
_NUM_FOREIGN = 300
_NUM_TUNING = 5
_LIVE_SETS = ("trec", "sst2", "commits")  # a few stand for all; each has enough that is answered wrongly


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a run is. `num_large_draws`: of the sizes beyond 256."""

    num_draws: int = 5
    num_items: int = 300
    num_large_draws: int = 2
    num_peer_draws: int = 5
    num_peer_items: int = 300
    num_timed: int = 24  # messages of a set that all answer side by side; one more only warms
    num_live: int = 10


QUICK = Scale(num_draws=2, num_large_draws=1, num_peer_draws=2, num_peer_items=100, num_timed=12, num_live=6)
FULL = Scale()


@dataclass(frozen=True, slots=True)
class Run:
    """What all parts need. `keep` writes what is there so far."""

    options: argparse.Namespace
    folder: Path
    scale: Scale
    sets: tuple[ChoiceSet, ...]
    models: Models
    reader: Reader
    keep: Callable[[], None]
    results: Results = field(default_factory=Results)


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sets", type=Path, metavar="FOLDER", help="of the data sets; or UNDERSTUDY_DATASETS"
    )
    parser.add_argument("--quick", action="store_true", help="2 draws; 100 items for the peers")
    parser.add_argument("--only", type=_names(SETS), default=SETS, help=",".join(SETS))
    parser.add_argument("--parts", type=_names(PARTS), default=PARTS, help=",".join(PARTS))
    parser.add_argument("--draws", type=int)
    parser.add_argument("--items", type=int)
    parser.add_argument("--large-draws", type=int, help="of the sizes beyond 256")
    parser.add_argument("--peer-draws", type=int)
    parser.add_argument("--peer-items", type=int)
    parser.add_argument("--timed", type=int, help="messages of a set that all answer side by side")
    parser.add_argument("--cache", type=Path, default=CACHE, help="what is kept between runs")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--untuned", action="store_true", help="do not look for the peers' best flags first")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--more", action="store_true", help="what the JSON has and this run does not measure stays"
    )
    parser.add_argument("--markdown", type=Path, help="writes the tables for the documentation")
    return parser.parse_args(given)


def _names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(known)}")
        return tuple(name for name in known if name in names)

    return parse


def scale_of(options: argparse.Namespace) -> Scale:
    scale = QUICK if options.quick else FULL
    given = {
        "num_draws": options.draws,
        "num_items": options.items,
        "num_large_draws": options.large_draws,
        "num_peer_draws": options.peer_draws,
        "num_peer_items": options.peer_items,
        "num_timed": options.timed,
    }
    return replace(scale, **{name: value for name, value in given.items() if value is not None})


async def measure_ours(run: Run) -> None:
    """One draw of all sets before the next one's: a run that is ended early has all sets."""
    for data in run.sets:
        note_taught(await drawn(run.reader, data, 0, 0), (0,), run.results)
    for draw in range(run.scale.num_draws):
        for data in run.sets:
            sizes = _sizes(data.name, draw, run.scale)
            found = await drawn(run.reader, data, draw, max(sizes))
            note_taught(found, sizes, run.results)
            note_doubts(replace(found, taught=found.taught[:POOL], labels=found.labels[:POOL]), run.results)
            if data.name == "clinc150" and LARGEST["clinc150"] in sizes:
                texts = foreign_texts(run.folder, _NUM_FOREIGN)
                await note_foreign(run.reader, found, texts, LARGEST["clinc150"], run.results)
            run.keep()


def _sizes(name: str, draw: int, scale: Scale) -> tuple[int, ...]:
    is_large = name in LARGEST and draw < scale.num_large_draws
    return (*SIZES[1:], LARGEST[name]) if is_large else SIZES[1:]


async def measure_live(run: Run) -> None:
    """The whole product with the first draw's skills: its times beside the peers', then what is taught to it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data in run.sets:
            write_skill(folder, data, data.drawn(0, POOL))
        async with product(folder, run.options.threads) as found, _peers(run) as peers:
            for data in run.sets:
                await _settle(found, data)
            for data in run.sets:
                await _note_times(run, found, peers, data)
                run.keep()
            for data in (one for one in run.sets if one.name in _LIVE_SETS or len(run.sets) == 1):
                asked = [one for one in data.tests if fits(one)]
                await note_teaching(found, data, asked, run.scale.num_live, run.results)
                run.keep()


async def _settle(found: Product, data: ChoiceSet) -> None:
    say(f"{data.name}: the bot reads its skill")
    await found.answer(f"/{data.name} {data.pool[-1].text}")
    await found.settled()


async def _note_times(run: Run, found: Product, peers: Peers, data: ChoiceSet) -> None:
    async def ours(text: str) -> float:
        return (await found.answer(f"/{data.name} {text}"))[1]

    items = [one for one in data.tests if fits(one)][: 1 + run.scale.num_timed]
    await note_times(peers, await prepared(peers, data, 0), ours, items, run.results)


async def measure_peers(run: Run) -> None:
    async with _peers(run) as peers:
        for draw in range(run.scale.num_peer_draws):
            for data in run.sets:
                found = await prepared(peers, data, draw)
                await note_answers(peers, found, draw, run.scale.num_peer_items, run.results)
                run.keep()


async def measure_extraction(run: Run) -> None:
    wanted = [name for name in EXTRACTION if name in run.options.only]
    await note_extraction(run.folder, wanted, run.scale.num_draws, run.options.threads, run.results)
    run.keep()


_MEASURES: Mapping[str, Callable[[Run], Awaitable[None]]] = {
    "ours": measure_ours,
    "live": measure_live,
    "peers": measure_peers,
    "extraction": measure_extraction,
}


@asynccontextmanager
async def _peers(run: Run) -> AsyncIterator[Peers]:
    settings = await _peer_settings(run)
    answers = Answers(run.options.cache / "answers.jsonl", settings)
    peers = Peers(settings, answers, run.reader.vectors, run.reader.vector_anew)
    try:
        yield peers
    finally:
        await peers.close()


_found_settings: dict[str, PeerSettings] = {}


async def _peer_settings(run: Run) -> PeerSettings:
    """Looked for once a run."""
    chat = run.models.chat
    settings = PeerSettings(chat.path, chat.sha256, run.options.threads)
    if run.options.untuned:
        return settings
    if chat.sha256 not in _found_settings:
        data = run.sets[0]
        shown, asked = data.pool[:NUM_SHOWN], data.pool[NUM_SHOWN : NUM_SHOWN + _NUM_TUNING]
        questions = [few_shot(data, shown[at:] + shown[:at], one.text) for at, one in enumerate(asked)]
        _found_settings[chat.sha256] = await tuned(settings, questions)
    return _found_settings[chat.sha256]


async def measure(run: Run, faults: list[str]) -> None:
    """One part that fails does not take the others' figures with it."""
    for name in run.options.parts:
        if not run.sets and name != "extraction":
            continue
        say(f"part: {name}")
        try:
            await _MEASURES[name](run)
        except Exception as error:  # noqa: BLE001 - the top of a part
            traceback.print_exc()
            faults.append(f"{name} FAILED: {error!r}")
        run.keep()


def about(scale: Scale) -> list[str]:
    """What a reader must know beside the figures."""
    peer = next((one.text for one in _found_settings.values()), "llama_cpp.Llama")
    sentences = (
        (
            f"{scale.num_draws} draws of taught examples (with nothing taught no draw differs; beyond {POOL} taught {scale.num_large_draws}),",
            f"at most {scale.num_items} test items a set; which method answers is chosen on taught examples (docs/teaching.md names what was not)",
        ),
        (
            f"texts are cut at {MAX_CHARACTERS} characters for everybody; one sentence of instructions a set and a few",
            f"words on each label, which stand in the peers' prompts too; the first {NUM_SHOWN} of a",
            "draw stand in our prompt, and count as taught only by what is known of them without being shown",
        ),
        (
            f"peers: {peer}; contexts of {PASTED_TOKENS} (all pasted) and {SHOTS_TOKENS} tokens;",
            f"{scale.num_peer_draws} draws x at most {scale.num_peer_items} items; a text counts if its first line, but for case,",
            "quotes and a last full stop, is the label",
        ),
        (
            f"times: the whole product against the peers on the same {scale.num_timed} messages of each set, taking turns;",
            f"{POOL} examples in each skill",
        ),
        (
            "while 64 or fewer are taught, the label scores of the last messages, without their labels, tell the model's bias,",
            "as in the product",
        ),
        (f"foreign to clinc150: {', '.join(FOREIGN)}; banking10 and snips ask what it has labels for",),
    )
    return [" ".join(parts) for parts in sentences]


async def main(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    try:
        folder = checked_folder(options.sets, os.environ)
        scale, results, faults = scale_of(options), Results(), []
        sets = tuple(read_set(folder, name, scale.num_items) for name in CHOICES if name in options.only)
        models = find_models("starter", options.cache)
        earlier = read(options.json)[1] if options.more and options.json.is_file() else Results()
    except (DataMissing, ModelUnusable) as error:
        print(getattr(error, "sentence", error), file=sys.stderr)
        return 2

    def head() -> Head:
        day = datetime.now(tz=UTC).date().isoformat()
        return Head(models.chat.path.name, describe(options.threads), day, (*about(scale), *faults))

    def keep() -> None:
        if options.json:
            whole = results.beside(earlier)
            write(options.json, head(), goals(whole), whole)

    worker, reader = await started(models, options.cache, options.threads)
    try:
        await measure(Run(options, folder, scale, sets, models, reader, keep, results), faults)
    finally:
        await worker.close()
    _tell(options, head(), results.beside(earlier))
    say(f"{(time.monotonic() - begun) / 60:.0f} minutes")
    return 1 if faults else 0


def _tell(options: argparse.Namespace, head: Head, results: Results) -> None:
    found = goals(results)
    print("\n".join((head.model, head.machine, *head.about)), end="\n\n")
    tables = (accuracy_rows(results), peer_rows(results), time_rows(results))
    for rows in (*tables, [row[:-1] for row in goal_rows(found, {})]):
        if len(rows) > 1:
            print(as_text(rows), end="\n\n")
    print(met(found))
    if options.markdown:
        options.markdown.write_text(long_text(head, results, {}, pictures=None) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments(sys.argv[1:]))))
