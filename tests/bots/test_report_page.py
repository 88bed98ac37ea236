"""The page of the report: whole, of every skill, with nothing from outside and nothing that people could smuggle in."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bots.report_page import as_page
from bots.report_skill import MAX_LABELS, MAX_WRONG
from engine import Curve, Hurting, Measurement, Skill, SkillReport, Trial
from engine.identity import ModelIdentity
from engine.skill import Input
from tests.curves import make_curve
from tests.fakes import make_example, make_skill

EVIL = "<script>alert('x')</script> & \"quoted\" </td></table><img src=x onerror=y>"
MODEL = ModelIdentity("Fake <b>0M</b>", "ab" * 32)
_EMPTY = {"meta", "img", "br", "path", "polygon", "polyline", "hr", "input", "link"}


class Page(HTMLParser):
    """Fails where tags do not close as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def ids(self) -> set[str | None]:
        return {attributes["id"] for _, attributes in self.tags if "id" in attributes}


def report(
    skill: Skill, trials: tuple[Trial, ...] = (), hurting: tuple[Hurting, ...] = (), **changes
) -> SkillReport:
    curve = changes.pop("curve", make_curve(0.2, 0.6, skill=skill.name))
    return replace(SkillReport(Measurement(skill, trials, MODEL), curve, hurting, is_whole=True), **changes)


def chooser(name: str = "mood", text: str = "it is fine", labels: tuple[str, ...] = ("good", "bad")) -> Skill:
    return make_skill(
        name, choices=labels, examples=tuple(make_example(f"{text} {one}", one) for one in labels)
    )


def wrong(skill: Skill, said: str = "bad", number: int = 1) -> Trial:
    example = skill.examples[0]
    return Trial(number, example.inputs, example.output, said, probability=0.6)


def test_every_skill_has_a_row_and_a_place_of_its_own():
    skills = [chooser("mood"), make_skill("chat"), make_skill("release-note")]
    page = Page(as_page([report(one) for one in skills], "Fake", 0))
    assert {f"skill-{one.name}" for one in skills} <= page.ids
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links == {f"#{one}" for one in page.ids}
    for one in skills:
        assert page.texts.count(f"/{one.name}") == 2


def test_what_people_wrote_is_text_wherever_it_stands():
    inputs = (Input("text", EVIL, is_required=True), Input("kind", EVIL))
    label = f"bad {EVIL}"
    examples = tuple(
        replace(make_example(EVIL, one), inputs={"text": EVIL, "kind": EVIL}) for one in ("good", label)
    )
    skill = make_skill(
        "mood", description=EVIL, instructions=EVIL, choices=("good", label), inputs=inputs, examples=examples
    )
    hurting = (Hurting(1, 0.2, 1, 1, 0, ((0, 0.9),)),)
    curve = Curve("mood", EVIL, make_curve(0.2, 0.4).points, 0.1, EVIL)
    text = as_page([report(skill, (wrong(skill, label),), hurting, curve=curve)], EVIL, 0)
    page = Page(text)
    assert not {"script", "img", "iframe", "link", "object"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert EVIL in "".join(page.texts)
    assert "<script" not in text


def test_nothing_comes_from_outside():
    text = as_page([report(chooser())], "Fake", 0)
    assert not re.search(r"https?:|//|@import|url\(", text)
    page = Page(text)
    assert not any({"src", "srcset"} & set(attributes) for _, attributes in page.tags)
    policies = [attributes for tag, attributes in page.tags if tag == "meta" and "http-equiv" in attributes]
    assert [one["content"] for one in policies] == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_it_says_what_is_right_what_was_taken_for_which_and_what_was_wrong():
    skill = chooser()
    right = Trial(2, skill.examples[1].inputs, "bad", "bad", probability=0.9)
    page = " ".join(Page(as_page([report(skill, (wrong(skill), right))], "Fake", 0)).texts)
    for part in ("50 %", "it is fine good", "Which was taken for which", "Not as expected", "60 %"):
        assert part in page
    assert "90 %" not in page


def test_an_example_that_hurts_is_shown_with_what_is_near_to_it():
    skill = chooser()
    page = " ".join(
        Page(as_page([report(skill, (), (Hurting(0, 0.3, 2, 0, 1, ((1, 0.75),)),))], "Fake", 0)).texts
    )
    assert "Examples that hurt" in page
    assert "Without it, 2 more of the others would be answered right." in page
    assert "Left out, it is answered with bad." in page
    assert "it is fine bad ⇒ bad (75 % alike)" in page


def test_fields_of_json_and_texts_have_figures_of_their_own():
    task = make_skill("task", output_schema="{}", examples=(make_example("a", '{"who": "x", "when": "y"}'),))
    said = Trial(1, {"text": "a"}, '{"who": "x", "when": "y"}', '{"who": "x", "when": "z"}')
    page = " ".join(Page(as_page([report(task, (said,))], "Fake", 0)).texts)
    assert "Each field" in page
    assert "when" in page
    copy = make_skill("copy", examples=(make_example("abc def", "abc def"),))
    page = " ".join(
        Page(as_page([report(copy, (Trial(1, {"text": "abc def"}, "abc def", "abc"),))], "Fake", 0)).texts
    )
    assert "like the right text (chrF); giving back what came in: 100 %" in page


def test_of_many_labels_and_many_wrong_ones_the_worst_are_shown_and_the_rest_counted():
    skill = chooser(labels=tuple(f"label{number}" for number in range(150)))
    trials = tuple(wrong(skill, "label7", number) for number in range(MAX_WRONG + 20))
    text = as_page([report(skill, trials)], "Fake", 0)
    assert f"The {150 - MAX_LABELS} choices that are mistaken least are left out." in text
    assert "20 more are left out." in text
    Page(text)


@pytest.mark.parametrize("is_whole", [True, False])
def test_one_that_was_stopped_says_so(is_whole: bool):
    curve = Curve("mood", "right answers", (), 0.5, "always the same answer", is_whole=False)
    text = as_page([report(chooser(), curve=curve, is_whole=is_whole)], "Fake", 0)
    assert ("stopped before it was whole: some figures" in text) is not is_whole
    Page(text)


def test_no_skill_is_a_page_too():
    Page(as_page([], "Fake", 0))
