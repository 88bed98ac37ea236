"""What Discord tells us becomes an engine's message, and its address leads back."""

import pytest

from bots.discord_events import (
    InteractionAddress,
    MessageAddress,
    Room,
    created_at,
    from_command,
    from_text,
    nonce,
    read_address,
    read_command,
    readable,
    utf16_length,
    write_address,
)
from engine import Author, Platform, Scope

ANN = Author("5", "Ann")
BOT = 99


def test_a_thread_is_one_conversation_in_its_parent_channel() -> None:
    assert Room(30, 1, 20).scope(777) == Scope(Platform.DISCORD, "1", "20", "30")


def test_direct_messages_are_one_conversation() -> None:
    assert Room(40).scope(777) == Scope(Platform.DISCORD, "dm", "40", "40")


def test_in_a_channel_each_exchange_is_its_own_conversation() -> None:
    assert Room(20, 1).scope(777) == Scope(Platform.DISCORD, "1", "20", "777")


def test_no_two_places_share_a_scope() -> None:
    rooms = [Room(20, 1), Room(20, 2), Room(20), Room(30, 1, 20), Room(31, 1, 20), Room(21, 1)]
    assert len({room.scope(777) for room in rooms}) == len(rooms)


@pytest.mark.parametrize("address", [MessageAddress(1, 2), InteractionAddress(1, 2, 3, "token")])
def test_an_address_survives_being_kept(address: MessageAddress | InteractionAddress) -> None:
    assert read_address(write_address(address)) == address


def test_a_token_is_worn_a_minute_before_discord_refuses_it() -> None:
    address = InteractionAddress(1, 1_400_000_000_000_000_000, 3, "token")
    born = created_at(address.interaction_id)
    assert not address.is_worn(born + 13.9 * 60)
    assert address.is_worn(born + 14 * 60)


def test_the_key_of_a_message_is_its_id_and_of_an_interaction_its_own() -> None:
    assert from_text(7, Room(1), 7, ANN, "hi").id == "discord:7"
    assert from_command(7, Room(1), ANN, "triage", {}).id == "discord:i:7"


def test_a_command_keeps_its_typed_options() -> None:
    said = from_command(7, Room(1), ANN, "rewrite", {"tone": "kind", "text": "go away"})
    assert (said.command, dict(said.inputs), said.text) == (
        "rewrite",
        {"tone": "kind", "text": "go away"},
        "",
    )


def test_the_bots_own_commands_take_their_option_as_text() -> None:
    said = from_command(7, Room(1), ANN, "help", {"command": "triage"})
    assert (said.command, dict(said.inputs), said.text) == ("help", {}, "triage")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<@99> /triage it burns", "/triage it burns"),
        ("<@!99> triage: it burns", "triage: it burns"),
        ("hey <@99>!", "hey !"),
        ("<@99> ask <@5> or <@&6> in <#7>", "ask @Ann or @ops in #general"),
        ("<@99> who is <@1234>?", "who is @unknown?"),
        ("<@99> nice <:blob:123> <a:dance:456>", "nice :blob: :dance:"),
        ("<@99>", ""),
        ("<@99> a < b and List<@T>", "a < b and List<@T>"),
    ],
)
def test_mentions_become_what_people_see(content: str, text: str) -> None:
    assert readable(content, BOT, {5: "Ann", 6: "ops", 7: "general"}) == text


def test_the_option_being_typed_is_known() -> None:
    option = {"name": "to", "type": 3, "value": "Fr", "focused": True}
    command = read_command({"name": "tr", "options": [option]})
    assert (command.name, dict(command.options), command.focused) == ("tr", {"to": "Fr"}, "to")


def test_a_nonce_fits_and_differs_for_each_part() -> None:
    largest = 2**63 - 1
    assert len(nonce(largest, 9999)) <= 25
    assert len({nonce(1, 0), nonce(1, 1), nonce(2, 0)}) == 3


def test_length_is_counted_as_discord_counts() -> None:
    assert utf16_length("ab") == 2
    assert utf16_length("\N{GRINNING FACE}") == 2
    assert utf16_length("\ud800") == 1
