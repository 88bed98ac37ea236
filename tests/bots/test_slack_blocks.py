"""What people see in Slack: every view is one that Slack takes, and nothing in it is live but what we made."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots import slack_blocks, slack_controls
from bots.slack_blocks import Health, Proposed
from bots.slack_controls import DecisionValue
from bots.surface import Controls
from engine import Example, Input, Proposal, Skill
from tests.emulators import slack_kit
from tests.fakes import TEST_AUTHOR, TEST_SCOPE, make_example, make_skill

REWRITE = make_skill(
    "rewrite",
    inputs=(
        Input("tone", "How", choices=("formal", "kind")),
        Input("text", "What to rewrite", is_required=True),
    ),
    examples=(Example({"text": "send it now", "tone": "kind"}, "Could you send it?"),),
)
TRIAGE = make_skill(
    "triage", choices=("urgent", "low"), examples=(make_example("<!channel> it burns", "urgent"),)
)
MANY = tuple(
    make_skill(f"skill-{number}", description="d" * 200, examples=(make_example("a" * 5000, "b" * 5000),))
    for number in range(150)
)
MANY_LABELS = make_skill("labels", choices=tuple(f"label {number}" for number in range(150)))
TARGET = json.dumps({"channel": "C1"})


def block(view: dict[str, Any], block_id: str) -> dict[str, Any]:
    return next(one for one in view["blocks"] if one.get("block_id") == block_id)


@given(text=st.text(max_size=4000), answer=st.text(max_size=4000))
def test_slack_takes_every_window_whatever_was_said(text: str, answer: str) -> None:
    for view in (
        slack_blocks.use_modal((REWRITE, TRIAGE), REWRITE, text, TARGET),
        slack_blocks.teach_modal((REWRITE, TRIAGE), TRIAGE, {"text": text}, answer, TARGET),
        slack_blocks.edit_modal(REWRITE, {"text": text, "tone": "kind"}, answer, TARGET),
        slack_blocks.edit_modal(MANY_LABELS, {"text": text}, answer, TARGET),
        slack_blocks.correct_modal(REWRITE, text, answer, TARGET),
        slack_blocks.correct_modal(TRIAGE, text, answer, TARGET),
        slack_blocks.note_modal(text or "-"),
    ):
        blocks = [one for one in view["blocks"] if one != {"type": "markdown", "text": ""}]
        assert slack_kit.violations_of_view({**view, "blocks": blocks}) == []


@pytest.mark.parametrize("skills", [(), (REWRITE, TRIAGE), MANY])
@pytest.mark.parametrize("is_admin", [True, False])
def test_slack_takes_every_home_tab(skills: tuple[Skill, ...], *, is_admin: bool) -> None:
    proposal = Proposal("triage", {"text": "<@U1> " * 1000}, "<!here>" * 1000, TEST_AUTHOR, TEST_SCOPE)
    proposals = [Proposed(number, number % 2 == 0, proposal) for number in range(30)]
    health = Health(("2 answers <being> written",)) if is_admin else None
    view = slack_blocks.home(skills, proposals, health, {"rename": "Slack has its own /rename"})
    assert slack_kit.violations_of_view(view) == []


def test_a_skills_choices_are_a_select_and_its_main_input_holds_the_message() -> None:
    view: Any = slack_blocks.use_modal((REWRITE, TRIAGE), REWRITE, "send it", TARGET)
    tone, text = block(view, "rewrite.tone"), block(view, "rewrite.text")
    assert [one["text"]["text"] for one in tone["element"]["options"]] == ["formal", "kind"]
    assert (tone["optional"], text["optional"]) == (True, False)
    assert text["element"]["initial_value"] == "send it"


def test_the_right_answer_begins_from_the_one_that_was_given() -> None:
    free: Any = slack_blocks.correct_modal(REWRITE, "q", "the answer", TARGET)
    label: Any = slack_blocks.correct_modal(TRIAGE, "q", "low", TARGET)
    assert block(free, "output")["element"]["initial_value"] == "the answer"
    assert block(label, "output")["element"]["initial_option"]["text"]["text"] == "low"


def test_labels_are_a_menu_as_long_as_slack_has_room_for_them() -> None:
    hundred = make_skill("labels", choices=MANY_LABELS.choices[:100])
    for skill, kind in (
        (TRIAGE, "static_select"),
        (hundred, "static_select"),
        (MANY_LABELS, "plain_text_input"),
    ):
        view: Any = slack_blocks.correct_modal(skill, "q", skill.choices[-1], TARGET)
        assert block(view, "output")["element"]["type"] == kind
        assert slack_kit.violations_of_view(view) == []


def test_what_stands_under_an_answer_follows_from_it() -> None:
    answer: Any = slack_controls.controls(Controls(can_rate=True, has_reason=True, can_teach=True), "slack:1")
    assert [one["action_id"] for one in answer[1]["elements"]] == ["teach_me", "why", "again"]
    assert [one["type"] for one in slack_controls.controls(Controls.RATE, "slack:1")] == [
        "context_actions",
        "actions",
    ]
    assert slack_controls.controls(Controls.NONE, "slack:1") == ()
    assert slack_kit.violations([slack_blocks.markdown("x"), *answer]) == []


@given(proposals=st.lists(st.integers(1, 10**9), min_size=1, max_size=5, unique=True))
def test_each_proposal_has_a_row_and_its_buttons_lead_back_to_it(proposals: list[int]) -> None:
    rows: Any = slack_controls.controls(Controls(proposals=tuple(proposals)), "slack:1")
    assert slack_kit.violations([slack_blocks.markdown("x"), *rows]) == []
    values = [DecisionValue.read(one["value"]) for row in rows for one in row["elements"]]
    assert [one.number for one in values] == [number for number in proposals for _ in range(3)]
    assert {one.has_list for one in values} == {len(proposals) > 1}


def test_only_admins_see_the_line_and_the_model() -> None:
    seen = json.dumps(slack_blocks.home((TRIAGE,), (), None, {}))
    assert "For admins" not in seen
    assert "3 answers" in json.dumps(slack_blocks.home((TRIAGE,), (), Health(("3 answers",)), {}))


def test_buttons_carry_the_message_that_they_are_about() -> None:
    rating: Any = slack_controls.feedback("slack:T1:C1:1.2")
    assert rating[0]["elements"][0]["positive_button"]["value"] == "good|slack:T1:C1:1.2"
    assert rating[1]["elements"][0]["value"] == "slack:T1:C1:1.2"
    assert slack_kit.violations([slack_blocks.markdown("x"), *rating]) == []
    assert slack_kit.violations([slack_blocks.markdown("x"), *slack_controls.stop("slack:T1:C1:1.2")]) == []
