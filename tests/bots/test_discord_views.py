"""What people press and fill in is what Discord takes, for any skill, and its ids lead back."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.discord_views import (
    ANSWER_FIELD,
    MAX_FIELDS,
    Action,
    Decided,
    Part,
    change,
    changed,
    chosen_skill,
    controls_of,
    correction,
    fill_in,
    lesson,
    read_decided,
    read_fields,
    read_part,
    shown_inputs,
    skill_window,
    teach_from_message,
    use_on_message,
    whole,
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
few = settings(deadline=None, max_examples=10)  # the file is large
needs_file = pytest.mark.skipif(not discord_spec.is_present(), reason=f"{discord_spec.FILE} is absent")


EVERY_CONTROLS = [
    Controls.NONE,
    Controls.STOP,
    Controls.RATE,
    Controls(can_rate=True, has_reason=True, can_teach=True),
    Controls(proposals=(7,)),
    Controls(proposals=tuple(range(999_990, 1_000_000))),
]


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
@few
@given(skills, texts, st.lists(st.text(max_size=120), max_size=40, unique=True), st.data())
def test_discord_takes_the_windows_of_teaching_for_any_skill(
    skill: Skill, text: str, choices: list[str], data: st.DataObject
) -> None:
    choosy = replace(skill, choices=tuple(choices))
    given_inputs = {one.name: data.draw(texts) for one in skill.inputs}
    assert faults(lesson("discord:1", choosy, text)) == []
    assert faults(change(Decided(7, has_list=True), choosy, given_inputs, text)) == []
    assert faults(correction("discord:1", text, choosy.choices)) == []


@settings(deadline=None)
@given(skills, st.data())
def test_a_proposal_that_is_sent_as_it_was_shown_stays_as_it_was(skill: Skill, data: st.DataObject) -> None:
    drawn = {
        one.name: data.draw(st.sampled_from(one.choices) if one.choices else texts) for one in skill.inputs
    }
    before = {name: text for name, text in drawn.items() if text}
    window: Any = change(Decided(7), skill, before, "x" * 5000)
    filled = {one["component"]["custom_id"]: shown_value(one["component"]) for one in window["components"]}
    assert changed(skill, before, filled) == before
    assert whole(filled[ANSWER_FIELD], "x" * 5000) == "x" * 5000


def shown_value(component: dict[str, Any]) -> str:
    chosen = [one["value"] for one in component.get("options", []) if one.get("default")]
    return chosen[0] if chosen else component.get("value", "")


@pytest.mark.parametrize(("num_choices", "kind"), [(0, 4), (2, 3), (25, 3), (26, 4), (150, 4)])
def test_labels_are_a_menu_as_long_as_discord_has_room_for_them(num_choices: int, kind: int) -> None:
    skill = make_skill("triage", choices=tuple(f"label {number}" for number in range(num_choices)))
    for window in (
        lesson("1", skill, "it burns"),
        correction("1", "label 1", skill.choices),
        change(Decided(1), skill, {"text": "it burns"}, "label 1"),
    ):
        labels: Any = window["components"]
        assert labels[-1]["component"]["type"] == kind


def test_each_proposal_has_a_row_and_its_buttons_lead_back_to_it() -> None:
    rows: Any = controls_of(Controls(proposals=(7, 8)), "discord:1")
    parts = [[read_part(button["custom_id"]) for button in row["components"]] for row in rows]
    assert [[part.action for part in row if part] for row in parts] == [
        [Action.ACCEPT, Action.EDIT, Action.DROP]
    ] * 2
    assert [read_decided(part.about) for row in parts for part in row if part] == [
        *[Decided(7, has_list=True)] * 3,
        *[Decided(8, has_list=True)] * 3,
    ]
    (only,) = controls_of(Controls(proposals=(7,)), "discord:1")
    assert [button["label"] for button in only["components"]] == ["Accept", "Edit", "Drop"]


def test_what_stands_under_an_answer_follows_from_it() -> None:
    (row,) = controls_of(Controls(can_rate=True, has_reason=True, can_teach=True), "discord:1")
    assert [one["label"] for one in row["components"]] == ["Teach me", "Good", "Not good", "Why?", "Again"]


@needs_file
@pytest.mark.parametrize("controls", EVERY_CONTROLS)
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
