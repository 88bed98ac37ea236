"""What people press and fill in is what Discord takes, for any skill, and its ids lead back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.discord_views import (
    MAX_FIELDS,
    Action,
    Part,
    chosen_skill,
    controls_of,
    correction,
    fill_in,
    read_fields,
    read_part,
    shown_inputs,
    skill_window,
    teach_from_message,
    use_on_message,
)
from bots.surface import Controls
from engine import Input, JsonValue, Skill
from tests.emulators import discord_spec
from tests.fakes import make_skill

CALLBACK = "/interactions/1/token/callback"
MESSAGES = "/channels/1/messages"

texts = st.text(max_size=5000)
names = st.from_regex(r"[a-z][a-z0-9_-]{0,30}", fullmatch=True)
inputs = st.builds(
    Input,
    name=names,
    description=texts,
    is_required=st.booleans(),
    choices=st.lists(st.text(max_size=120), max_size=40, unique=True).map(tuple),
)
skills = st.builds(
    lambda name, description, given: make_skill(name, description=description, inputs=tuple(given)),
    names,
    texts,
    st.lists(inputs, min_size=1, max_size=8, unique_by=lambda one: one.name),
)
few = settings(deadline=None, max_examples=25)  # the file is large
needs_file = pytest.mark.skipif(not discord_spec.is_present(), reason=f"{discord_spec.FILE} is absent")


def faults(window: dict[str, JsonValue]) -> list[str]:
    return discord_spec.violations("POST", CALLBACK, {"type": 9, "data": window})


def message_faults(components: list[JsonValue]) -> list[str]:
    body = {"content": "x", "allowed_mentions": {"parse": []}, "components": components}
    return discord_spec.violations("POST", MESSAGES, body)


@needs_file
@few
@given(skills, texts)
def test_discord_takes_the_window_of_any_skill(skill: Skill, text: str) -> None:
    assert faults(skill_window("key", skill, {skill.main_input.name: text})) == []


@needs_file
@few
@given(st.lists(skills, min_size=1, max_size=60, unique_by=lambda one: one.name), texts)
def test_discord_takes_the_windows_on_messages_for_any_skills(many: list[Skill], text: str) -> None:
    assert faults(use_on_message("key", many, text)) == []
    assert faults(teach_from_message("1", many, text)) == []


@needs_file
@few
@given(texts)
def test_discord_takes_the_window_for_any_answer(answer: str) -> None:
    assert faults(correction("discord:1", answer)) == []


@needs_file
@pytest.mark.parametrize("controls", [*Controls])
def test_discord_takes_every_row_of_buttons(controls: Controls) -> None:
    assert message_faults(controls_of(controls, "discord:i:1234567890123456789")) == []
    assert message_faults(fill_in("summarize:1234567890123456789")) == []


def test_an_id_that_is_too_long_gets_no_buttons() -> None:
    assert controls_of(Controls.RATE, "x" * 91)
    assert controls_of(Controls.RATE, "x" * 92) == []


@settings(deadline=None)
@given(st.sampled_from(Action), texts)
def test_an_id_leads_back_to_what_it_was_made_for(action: Action, about: str) -> None:
    assert read_part(Part(action, about).id) == Part(action, about)


@pytest.mark.parametrize("custom_id", ["", "good", "other:1", ":1", "x" * 100])
def test_what_is_not_ours_is_none(custom_id: str) -> None:
    assert read_part(custom_id) is None


@settings(deadline=None)
@given(skills, st.data())
def test_a_window_never_leaves_out_what_is_missing(skill: Skill, data: st.DataObject) -> None:
    some = data.draw(st.sets(st.sampled_from([one.name for one in skill.inputs])))
    known = dict.fromkeys(some, "x")
    shown = shown_inputs(skill, known)
    missing = [one for one in skill.inputs if one.is_required and one.name not in known]
    assert len(shown) == min(MAX_FIELDS, len(skill.inputs))
    assert set(missing) <= set(shown) or set(shown) <= set(missing)


def test_what_was_filled_in_is_read_and_the_empty_left_out() -> None:
    data: dict[str, JsonValue] = {
        "components": [
            {"type": 18, "component": {"type": 3, "custom_id": "skill", "values": []}},
            {"type": 18, "component": {"type": 3, "custom_id": "skill1", "values": ["triage"]}},
            {"type": 18, "component": {"type": 4, "custom_id": "text", "value": "it burns"}},
            {"type": 18, "component": {"type": 4, "custom_id": "note", "value": ""}},
            {"type": 10, "content": "words between"},
        ]
    }
    fields = read_fields(data)
    assert fields == {"skill1": "triage", "text": "it burns"}
    assert chosen_skill(fields) == "triage"
