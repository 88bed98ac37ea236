"""config.yaml, the variables over it, and the secrets beside it."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import Secrets, read_config, read_environment, read_secrets
from engine.configschema import Config
from engine.errors import FileFaults
from engine.inference import CacheType

ROOT = Path(__file__).parents[2]
TOKEN = "xoxb-1234567890-abcdefghij"


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def faults_of(folder: Path, content: str | bytes, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(FileFaults) as found:
        read_config(written(folder, content), environ or {})
    return [str(fault).removeprefix(f"{folder.as_posix()}/") for fault in found.value.faults]


def test_the_shipped_file_says_the_defaults():
    config = read_config(ROOT / "config.yaml", {})
    folders = {"skills_dir": ROOT / "skills", "data_dir": ROOT / "data", "models_dir": ROOT / "models"}
    assert config == Config().model_copy(update=folders)


def test_folders_and_a_models_path_are_taken_from_the_files_folder(tmp_path):
    config = read_config(written(tmp_path, "skills_dir: s\ndata_dir: /abs\nmodel: m/x.gguf\n"), {})
    assert (config.skills_dir, config.data_dir) == (tmp_path / "s", Path("/abs"))
    assert config.model == str(tmp_path / "m" / "x.gguf")


@pytest.mark.parametrize("model", ["starter", "hf:owner/repo/file.gguf", "stater"])
def test_a_model_that_is_no_path_is_left_alone(tmp_path, model):
    assert read_config(written(tmp_path, f"model: {model}\n"), {}).model == model


def test_auto_is_none_and_a_number_is_a_number(tmp_path):
    engine = read_config(written(tmp_path, "engine: {gpu_layers: auto, slots: 4}\n"), {}).engine
    assert (engine.gpu_layers, engine.slots, engine.threads) == (None, 4, None)


def test_words_stand_for_what_the_machine_chooses_and_for_nothing(tmp_path):
    config = read_config(
        written(
            tmp_path,
            "engine: {kv_cache: auto, flash_attention: auto, state_memory_mb: auto}\n"
            "embedding_model: none\npinned_skills: []\nmetrics: {port: off}\n",
        ),
        {},
    )
    engine = config.engine
    assert (engine.kv_cache, engine.flash_attention, engine.state_memory_mb) == (None, None, None)
    assert (config.embedding_model, config.pinned_skills, config.metrics.port) == (None, (), None)


def test_what_is_chosen_is_what_is_said(tmp_path):
    config = read_config(
        written(
            tmp_path,
            "engine: {kv_cache: f16, flash_attention: off, state_memory_mb: 64, save_prefixes: false}\n"
            "embedding_model: m/e.gguf\npinned_skills: [chat, triage]\nmetrics: {port: 9090}\n",
        ),
        {},
    )
    engine = config.engine
    assert (engine.kv_cache, engine.flash_attention) == (CacheType.F16, False)
    assert (engine.state_memory_mb, engine.save_prefixes) == (64, False)
    assert config.embedding_model == str(tmp_path / "m" / "e.gguf")
    assert (config.pinned_skills, config.metrics.port) == (("chat", "triage"), 9090)


def test_a_variable_lists_names_with_commas(tmp_path):
    environ = {"UNDERSTUDY__PINNED_SKILLS": "chat, triage"}
    assert read_config(written(tmp_path, "model: a\n"), environ).pinned_skills == ("chat", "triage")


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfmodel: a\r\nengine:\r\n  slots: 2\r\n", b"model: a\nengine: {slots: 2}"]
)
def test_how_windows_saves_makes_no_difference(tmp_path, content):
    config = read_config(written(tmp_path, content), {})
    assert (config.model, config.engine.slots) == ("a", 2)


def test_a_variable_wins_over_the_file(tmp_path):
    environ = {
        "UNDERSTUDY__SLACK__API_URL": "http://127.0.0.1:9/",
        "UNDERSTUDY__MODEL": "b",
        "UNDERSTUDY__ENGINE__SLOTS": "auto",
    }
    config = read_config(written(tmp_path, "model: a\nengine: {slots: 2, threads: 3}\n"), environ)
    assert (config.model, config.slack.api_url) == ("b", "http://127.0.0.1:9/")
    assert (config.engine.slots, config.engine.threads) == (None, 3)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("UNDERSTUDY__SLAK__API_URL", "x", "did you mean UNDERSTUDY__SLACK__API_URL?"),
        ("UNDERSTUDY__ENGINE__SLOTS", "many", "whole number"),
        ("UNDERSTUDY__DISCORD__GATEWAY_URL", "https://x", "wss:// or ws://"),
        ("UNDERSTUDY__MODEL", "", "is empty"),
        ("UNDERSTUDY__ACCESS__USE", "bob", "is no id"),
        ("UNDERSTUDY__CHANNELS", "C0123", "is no setting"),
    ],
)
def test_a_bad_variable_is_a_fault_that_names_it(tmp_path, name, value, words):
    (fault,) = faults_of(tmp_path, "model: a\n", {name: value})
    assert fault.startswith(f"{name}: ")
    assert words in fault


def test_rights_and_channels_are_ids(tmp_path):
    text = (
        "access: {use: [everybody, guests], admin: [U0123ABCD, 80351110224678912]}\n"
        "channels:\n"
        "  C0123ABCD: {default_skill: triage, skills: [triage, chat]}\n"
        "  1234567890: {skills: []}\n"
        "  G0123: {default_skill: chat}\n"
    )
    config = read_config(written(tmp_path, text), {"UNDERSTUDY__ACCESS__TEACH": "S0123, foreign"})
    assert config.access.use == ("everybody", "guests")
    assert config.access.teach == ("S0123", "foreign")
    assert config.access.admin == ("U0123ABCD", "80351110224678912")
    assert [(one.default_skill, one.skills) for one in config.channels.values()] == [
        ("triage", ("triage", "chat")),
        (None, ()),
        ("chat", None),
    ]


def test_other_variables_are_nobodys_business(tmp_path):
    assert read_config(written(tmp_path, "model: a\n"), {"UNDERSTUDY_SPECS": "x", "PATH": "y"}).model == "a"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("modle: a\n", "1: unknown key `modle`; did you mean `model`?"),
        ("slack:\n  api_ulr: x\n", "2: unknown key `api_ulr`; did you mean `api_url`?"),
        ("engine: {context_token: 5}\n", "1: unknown key `context_token`; did you mean `context_tokens`?"),
        ("model:\n", "1: `model` is empty"),
        ("skills_dir: [a]\n", "1: `skills_dir` must be the path of a folder"),
        ("data_dir: ~nosuchuser/x\n", "1: `data_dir` names a home folder"),
        ("engine: {slots: 0}\n", "1: `engine.slots` must be at least 1"),
        ("engine: {threads: some}\n", "1: `engine.threads` must be a whole number"),
        ("engine:\n  kv_cache: q4_0\n", "2: `engine.kv_cache` must be `auto`, `f16` or `q8_0`"),
        ("engine:\n  flash_attention: yes\n", "2: `engine.flash_attention` must be `auto`, `on` or `off`"),
        ("engine: {state_memory_mb: 0}\n", "1: `engine.state_memory_mb` must be at least 1"),
        ("engine: {save_prefixes: maybe}\n", "1: `engine.save_prefixes` must be `true` or `false`"),
        ("model: a\nembedding_model:\n", "2: `embedding_model` is empty"),
        ("pinned_skills:\n  - chat\n  - A b\n", "3: `pinned_skills` item 2 must be lower-case"),
        ("pinned_skills: [a, a]\n", "1: `pinned_skills` holds `a` twice"),
        ("pinned_skills: {a: b}\n", "1: `pinned_skills` must be a list"),
        ("metrics: {port: 70000}\n", "1: `metrics.port` must be at most 65535"),
        ("metrics: {port: on}\n", "1: `metrics.port` must be a whole number"),
        ("limits: {answer_seconds: soon}\n", "1: `limits.answer_seconds` must be a number"),
        ("limits: {waiting_seconds: 0}\n", "1: `limits.waiting_seconds` must be at least 1"),
        ("limits: {running_per_channel: 0}\n", "1: `limits.running_per_channel` must be at least 1"),
        ("limits: 5\n", "1: `limits` must be made of"),
        (
            "engine:\n  kv_cache: q8_0\n  flash_attention: off\n",
            "3: `engine.flash_attention` cannot be `off` with `kv_cache: q8_0`",
        ),
        ("access: {use: ['@ada']}\n", "1: `access.use` item 1 is no id; write an id such as U0123ABCD"),
        ("access: {uses: [U123]}\n", "1: unknown key `uses`; did you mean `use`?"),
        ("access:\n  admin: [U123, U123]\n", "2: `access.admin` holds `U123` twice"),
        ("channels: [C0123]\n", "1: `channels` must be made of"),
        ("channels: {general: {}}\n", "1: `channels.general` is no channel's id"),
        ("channels:\n  C0123: {skill: [a]}\n", "2: unknown key `skill`; did you mean `skills`?"),
        (
            "channels:\n  C0123: {default_skill: chat, skills: [triage]}\n",
            "2: `channels.C0123` has the `default_skill` chat, which is not among its `skills`",
        ),
        ("files: {max_files: 11}\n", "1: `files.max_files` must be at most 10"),
        ("discord: {create_thread: often}\n", "1: `discord.create_thread` must be `true` or `false`"),
        ("slack: {api_url: slack.com}\n", "1: `slack.api_url` must be an address"),
        ('slack: {api_url: "https://h:99999"}\n', "1: `slack.api_url` must be an address"),
        ('discord: {gateway_url: "wss://"}\n', "1: `discord.gateway_url` must be an address"),
        ("default_skill: A b\n", "1: `default_skill` must be lower-case"),
        ("model: a\nmodel: b\n", "2: `model` was given in line 1 already"),
        ("", "1: is empty"),
    ],
)
def test_each_fault_is_one_line_with_its_place(tmp_path, content, expected):
    (fault,) = faults_of(tmp_path, content)
    assert fault.startswith(f"config.yaml:{expected}")


def test_a_variable_that_contradicts_the_file_is_a_fault(tmp_path):
    environ = {"UNDERSTUDY__ENGINE__FLASH_ATTENTION": "off"}
    (fault,) = faults_of(tmp_path, "engine: {kv_cache: q8_0}\n", environ)
    assert "`engine.flash_attention` cannot be `off`" in fault
    assert "UNDERSTUDY__" in fault


def test_all_faults_come_at_once(tmp_path):
    found = faults_of(
        tmp_path, "modle: a\nengine: {slots: x}\nlimits: {waiting: -1}\n", {"UNDERSTUDY__X": "1"}
    )
    assert len(found) == 4


@pytest.mark.parametrize(
    "content",
    [
        f"slack_bot_token: {TOKEN}\n",
        f"model: {TOKEN}\n",
        f"{TOKEN}: 1\n{TOKEN}: 2\n",
        f"model: a # {TOKEN}\n",
        f"slack: {{api_url: {TOKEN}}}\n",
        f"model: [ {TOKEN}\n",
        "discord: {token: hunter2hunter2}\n",
    ],
)
def test_a_secret_in_the_file_is_a_fault_that_never_shows_it(tmp_path, content):
    found = faults_of(tmp_path, content)
    assert ".env" in found[0]
    assert not any(TOKEN in fault or "hunter2" in fault for fault in found)


def test_a_missing_file_says_what_helps(tmp_path):
    with pytest.raises(FileFaults) as found:
        read_config(tmp_path / "no.yaml", {})
    (fault,) = found.value.faults
    assert "no.yaml: there is no such file" in str(fault)
    assert "--config FILE" in fault.what


@given(st.text())
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_config_or_faults(tmp_path_factory, text):
    path = written(tmp_path_factory.getbasetemp(), text.encode("utf-8", "surrogatepass"))
    with suppress(FileFaults):
        assert isinstance(read_config(path, {}), Config)


def test_the_environment_wins_over_the_env_file(tmp_path):
    text = "\ufeffSLACK_BOT_TOKEN=one\r\nexport DISCORD_TOKEN='a b'\r\n# remark\r\n\r\nHF_TOKEN=\r\nPLAIN=${HOME}\r\n"
    (tmp_path / ".env").write_bytes(text.encode())
    environ = read_environment(tmp_path, {"SLACK_BOT_TOKEN": "two"})
    assert read_secrets(environ) == Secrets(slack_bot_token="two", discord_token="a b")
    assert environ["PLAIN"] == "${HOME}"


def test_without_an_env_file_the_environment_stands_alone(tmp_path):
    assert dict(read_environment(tmp_path, {"A": "1"})) == {"A": "1"}


def test_each_bad_line_of_the_env_file_is_a_fault_that_does_not_show_it(tmp_path):
    (tmp_path / ".env").write_text(f"A=1\n{TOKEN} {TOKEN}\nB\n")
    with pytest.raises(FileFaults) as found:
        read_environment(tmp_path, {})
    assert [fault.line for fault in found.value.faults] == [2, 3]
    assert TOKEN not in str(found.value.faults)


def test_an_env_file_in_utf_16_says_so(tmp_path):
    (tmp_path / ".env").write_bytes("A=1\n".encode("utf-16"))
    with pytest.raises(FileFaults) as found:
        read_environment(tmp_path, {})
    assert "UTF-16" in found.value.faults[0].what


def test_secrets_are_never_printed():
    secrets = read_secrets({"SLACK_BOT_TOKEN": f" {TOKEN} ", "HF_TOKEN": "  "})
    assert secrets.slack_bot_token == TOKEN
    assert (
        repr(secrets)
        == "Secrets(slack_bot_token=***, slack_app_token=None, discord_token=None, hf_token=None,"
        " slack_config_token=None, slack_app_id=None)"
    )
    assert TOKEN not in f"{secrets}"
