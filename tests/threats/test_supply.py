"""What is installed is what was locked: every package by its hash, nothing that runs by itself at a start of Python."""

import re
import sysconfig
import tomllib
from pathlib import Path

import pytest

from tests.outcomes import Injected

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
# Written at install time by setuptools: one finds this checkout, one keeps old code running.
KNOWN_PTH = re.compile(r"__editable__\.understudy-[\w.]+\.pth|distutils-precedence\.pth")
# Each would let a package in that nobody has looked at.
LOOSE = re.compile(
    r"^\s*(?:-e|--editable|--index-url|--extra-index-url|--find-links|--trusted-host|-f|-i)\b|https?://|git\+",
    re.MULTILINE,
)
MAX_DIRECT = 14


def _entries(text: str) -> dict[str, str]:
    """What belongs to each package of a lock file, by its name."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {re.split(r"[=\[ ;]", line, maxsplit=1)[0].lower().replace(".", "-"): line for line in lines}


@pytest.mark.threat("S16", "a release of a dependency that nobody asked for, or another file under its name")
@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_is_locked_to_one_version_and_its_hashes(lock: Path, injected: Injected) -> None:
    text = lock.read_text()
    entries = _entries(text)
    assert entries
    for name, line in entries.items():
        assert re.search(r"^[\w.-]+(?:\[[\w,-]+\])?==[\w.!+]+", line), name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line
    assert not LOOSE.search(re.sub(r"#.*", "", text))
    injected(len(entries))


@pytest.mark.threat("S16", "a dependency that was added without being locked")
def test_all_that_is_asked_for_is_in_the_lock_and_there_is_little_of_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {
        re.split(r"[\s<>=~!\[;]", one, maxsplit=1)[0].lower() for one in project["project"]["dependencies"]
    }
    assert len(asked) <= MAX_DIRECT
    locked = set(_entries((ROOT / "requirements" / "runtime.txt").read_text()))
    assert {one.replace(".", "-") for one in asked} - {"llama-cpp-python"} <= locked
    assert "llama-cpp-python" in _entries((ROOT / "requirements" / "llama.txt").read_text())
    assert "litellm" not in locked


@pytest.mark.threat("S16", "set-up installs something without looking at its hash")
def test_set_up_installs_by_hash_or_what_it_has_built_itself() -> None:
    text = (ROOT / "tools" / "setup.py").read_text()
    installs = [
        line for line in re.findall(r"(?:install|pip|wanted =)\(.*?\)", text, re.DOTALL) if '"-r"' in line
    ]
    assert installs
    assert text.count("--require-hashes") >= len(re.findall(r'"-r"', text)) - 1
    assert not re.search(r"--(?:extra-)?index-url|--trusted-host", text)


@pytest.mark.threat("S16", "a package that runs code at each start of Python, without being imported")
def test_no_file_of_site_packages_runs_by_itself_but_the_known_ones() -> None:
    folder = Path(sysconfig.get_path("purelib"))
    found = [path.name for path in folder.glob("*.pth")]
    assert [name for name in found if not KNOWN_PTH.fullmatch(name)] == []
    assert not [name for name in ("sitecustomize.py", "usercustomize.py") if (folder / name).exists()]
