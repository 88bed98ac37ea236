"""Skills become commands that Discord takes, and Discord gets them only when they differ."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bots.discord_commands import (
    MAX_CHOICES,
    MAX_COMMANDS,
    CommandSync,
    Payload,
    SyncedCommands,
    command_list,
    suggestions,
)
from engine import COMMANDS, Input, Skill
from tests.emulators import discord_spec
from tests.fakes import FakeSkillbook, make_example, make_skill

LANGUAGES = tuple(f"language {number}" for number in range(40))


def command(skill: Skill) -> Payload:
    (found,) = [one for one in command_list([skill]).payload if one["name"] == skill.name]
    return found


def faults(*skills: Skill) -> list[str]:
    payload = [*command_list(skills).payload]
    return discord_spec.violations("PUT", "/applications/1/commands", payload)


def options(skill: Skill) -> list[Payload]:
    """Of its inputs."""
    given = command(skill)["options"]
    assert isinstance(given, list)
    return [one for one in given if isinstance(one, dict) and one["type"] == 3]


def test_required_options_come_first() -> None:
    inputs = (Input("tone", "How"), Input("text", "What", is_required=True), Input("to", "Who"))
    assert [one["name"] for one in options(make_skill("rewrite", inputs=inputs))] == ["text", "tone", "to"]
    needed = Input("to", "Who", is_required=True, choices=("ann", "bob"))
    mixed = options(make_skill("rewrite", inputs=(*inputs[:2], needed)))
    assert [(one["name"], one["required"]) for one in mixed] == [
        ("to", True),
        ("text", False),
        ("tone", False),
    ]


def test_a_file_may_stand_for_the_text_unless_the_skill_has_a_use_for_the_name() -> None:
    def files(skill: Skill) -> list[str]:
        given = command(skill)["options"]
        assert isinstance(given, list)
        return [str(one["name"]) for one in given if isinstance(one, dict) and one["type"] == 11]

    assert files(make_skill("x")) == ["file"]
    assert files(make_skill("x", inputs=(Input("file", "Which", is_required=True),))) == []


def test_commands_are_there_for_servers_and_for_people_everywhere() -> None:
    for one in command_list([make_skill("x")]).payload:
        assert (one["integration_types"], one["contexts"]) == ([0, 1], [0, 1, 2])


def test_few_choices_are_fixed_and_many_are_completed() -> None:
    few = Input("tone", "How", choices=("kind", "formal"))
    many = Input("to", "Language", choices=LANGUAGES)
    fixed, completed = options(make_skill("x", inputs=(few, many)))
    assert fixed["choices"] == [{"name": "kind", "value": "kind"}, {"name": "formal", "value": "formal"}]
    assert "choices" not in completed
    assert completed["autocomplete"] is True


def test_a_choice_that_is_too_long_for_discord_is_never_fixed() -> None:
    (option,) = options(make_skill("x", inputs=(Input("a", "A", choices=("x" * 101, "short")),)))
    assert "choices" not in option


def test_descriptions_are_cut_to_one_short_line() -> None:
    (option,) = options(make_skill("x", inputs=(Input("a", "word \n" * 40),)))
    assert len(str(option["description"])) <= 100
    assert "\n" not in str(option["description"])


@pytest.mark.skipif(not discord_spec.is_present(), reason=f"{discord_spec.FILE} is absent")
def test_discord_takes_any_skill() -> None:
    heavy = tuple(
        Input(f"i{n}", "d" * 200, choices=tuple(f"{n}{'c' * 90}{m}" for m in range(25))) for n in range(30)
    )
    assert faults(make_skill("heavy", inputs=heavy), make_skill("plain"), *many_skills(120)) == []


def many_skills(number: int) -> list[Skill]:
    return [make_skill(f"skill{n:03}") for n in range(number)]


def test_skills_beyond_the_limit_are_named() -> None:
    listed = command_list(many_skills(120))
    assert listed.num_slash == MAX_COMMANDS
    assert [one["name"] for one in listed.payload[MAX_COMMANDS:]] == [
        "Use a skill on this",
        "Teach from this",
    ]
    num_shown = MAX_COMMANDS - len(COMMANDS)
    assert listed.left_out == tuple(f"skill{n:03}" for n in range(num_shown, 120))


def test_only_what_people_see_of_a_command_changes_the_fingerprint() -> None:
    plain = make_skill("triage")
    taught = make_skill("triage", instructions="other", examples=(make_example("a", "b"),))
    described = make_skill("triage", description="other")
    assert command_list([plain]).fingerprint == command_list([taught]).fingerprint
    assert command_list([plain]).fingerprint != command_list([described]).fingerprint


def test_suggestions_begin_with_what_was_typed_and_are_never_too_many() -> None:
    assert suggestions(["old French", "French", "Dutch"], "fr") == ("French", "old French")
    assert len(suggestions(LANGUAGES, "")) == MAX_CHOICES


class FakeApplication:
    """Takes commands, or raises what the test put in."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = [*errors]
        self._taken: asyncio.Queue[list[Payload]] = asyncio.Queue()

    async def put(self, _application_id: int, payload: list[Payload]) -> None:
        if self._errors:
            raise self._errors.pop()
        self._taken.put_nowait(payload)

    async def next(self) -> list[Payload]:
        async with asyncio.timeout(10):
            return await self._taken.get()


@asynccontextmanager
async def keeping(book: FakeSkillbook, folder: Path, app: FakeApplication) -> AsyncGenerator[list[str]]:
    said: list[str] = []
    sync = CommandSync(book, SyncedCommands(folder), said.append, settle_seconds=0.0)  # type: ignore[arg-type]
    task = asyncio.create_task(sync.keep(1, app.put, (OSError,)))
    try:
        yield said
    finally:
        task.cancel()


async def quiet() -> None:
    """Lets everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_commands_are_given_once_over_two_starts_and_again_when_they_changed(tmp_path: Path) -> None:
    app, book = FakeApplication(), FakeSkillbook(make_skill("triage"))
    async with keeping(book, tmp_path, app):
        await app.next()
    async with keeping(book, tmp_path, app):
        await quiet()
        book.put(make_skill("triage", instructions="taught"))
        await quiet()
        book.put(make_skill("triage", description="new"))
        (triage,) = [one for one in await app.next() if one["name"] == "triage"]
    assert triage["description"] == "new"


async def test_a_sync_that_fails_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord_commands.FIRST_RETRY_SECONDS", 0.01)
    app = FakeApplication(ConnectionResetError("reset"))
    async with keeping(FakeSkillbook(make_skill("triage")), tmp_path, app) as said:
        await app.next()
    assert said[0] == "Discord did not take the commands (reset). Trying again in 0.01 seconds."


def test_another_application_has_none_of_our_commands(tmp_path: Path) -> None:
    synced, commands = SyncedCommands(tmp_path / "new"), command_list([make_skill("triage")])
    synced.remember(1, commands)
    assert synced.has(1, commands)
    assert not synced.has(2, commands)
