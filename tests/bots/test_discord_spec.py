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
