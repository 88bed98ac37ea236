"""The check of requests must itself be able to fail."""

import pytest

from tests.emulators import discord_spec

GOOD = {"content": "hi", "allowed_mentions": {"parse": []}}

needs_file = pytest.mark.skipif(not discord_spec.is_present(), reason=f"{discord_spec.FILE} is absent")


@needs_file
@pytest.mark.parametrize(
    "body",
    [
        {**GOOD, "contents": "hi"},
        {**GOOD, "flags": "four"},
        {**GOOD, "message_reference": {"message_id": "1", "message": "2"}},
        {**GOOD, "embeds": [{"titel": "x"}]},
    ],
)
def test_what_the_file_does_not_know_is_found(body: dict[str, object]) -> None:
    assert discord_spec.violations("POST", "/channels/1/messages", body)


@pytest.mark.parametrize(
    "body", [{"content": "x" * 2001, "allowed_mentions": {"parse": []}}, {"content": "hi"}]
)
def test_what_the_file_does_not_say_is_found_by_hand(body: dict[str, object]) -> None:
    assert discord_spec.violations("POST", "/channels/1/messages", body)


@needs_file
def test_a_good_request_passes_and_an_unknown_path_does_not() -> None:
    assert discord_spec.violations("POST", "/channels/1/messages", GOOD) == []
    assert discord_spec.violations("POST", "/channels/1/massages", GOOD)


BUTTON = {"type": 2, "style": 2, "label": "Good", "custom_id": "good:1"}


@pytest.mark.parametrize(
    "buttons", [[BUTTON, BUTTON], [{**BUTTON, "label": ""}]], ids=["one id twice", "no label"]
)
def test_buttons_that_discord_refuses_are_found(buttons: list[dict[str, object]]) -> None:
    body = {**GOOD, "components": [{"type": 1, "components": buttons}]}
    assert discord_spec.violations("POST", "/channels/1/messages", body)
    assert discord_spec.violations("POST", "/interactions/1/t/callback", {"type": 4, "data": body})


def test_what_a_callback_says_is_looked_at() -> None:
    loud = {"type": 4, "data": {"content": "@everyone"}}
    assert discord_spec.violations("POST", "/interactions/1/t/callback", loud)


def test_a_message_command_with_a_description_is_found() -> None:
    command = {"type": 3, "name": "Use", "description": "x"}
    assert discord_spec.violations("PUT", "/applications/1/commands", [command])
