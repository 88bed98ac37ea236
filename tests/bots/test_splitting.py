"""Laws of splitting: every part fits, no fence is left open, no text is lost, a full part stays."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bots import fences
from bots.markup import for_discord
from bots.splitting import Splitter, beginning, split


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


def rendered(text):
    return utf16(for_discord(text))


PROSE = [
    "word",
    "a longer run of words. ",
    "End! ",
    "\n",
    "\n\n",
    " ",
    "  - item ",
    "é",
    "e\u0301",
    "😀",
    "👨‍👩‍👧‍👦",
    "🇩🇪🇫🇷",
    "漢字。",
]
CODE = [
    "```",
    "```python\n",
    "\n```\n",
    "\n~~~\n",
    "~~~ text\n",
    "````md\n",
    "\n````\n",
    "    x = 1\n",
    "> ```\n",
    "- ```sh\n",
    "`code`",
    "\n",
]
HOSTILE = ["@everyone ", "<@123>", "[good.com](https://evil.com)", "x" * 50, "https://a@b.c/ "]
TEXTS = st.lists(st.sampled_from(PROSE + CODE + HOSTILE), max_size=60).map("".join)
LIMITS = st.integers(min_value=40, max_value=300)
MEASURES = st.sampled_from([len, utf16, rendered])


FENCE_LINE = re.compile(r"[ \t>]*(?:[-*+][ \t]+)?(?:```|~~~)")


def letters(text):
    """What is left when fences, and white space, which a cut may take, are set aside."""
    lines = [line for line in text.split("\n") if not FENCE_LINE.match(line)]
    return re.sub(r"\s", "", "".join(lines))


def has_odd_fence(text):
    """Ticks inside a line, or a line of ticks so long that it must itself be cut: its rest is then shown as code."""
    lines = text.split("\n")
    return any(
        "```" in line or "~~~" in line for line in lines if not FENCE_LINE.match(line) or len(line) > 15
    )


def goes_through(text, whole):
    """Whether all of `text` is in `whole`, in its order."""
    rest = iter(whole)
    return all(one in rest for one in text)


@given(TEXTS, LIMITS, MEASURES)
@example("\n" * 500 + "x", 40, len)
@example("```" + "x" * 500, 40, len)
@example("`" * 500, 40, len)
@example("😀" * 100, 41, utf16)
@example("<@1>" * 100, 40, rendered)
def test_every_part_fits_and_shows_something(text, limit, measure):
    for part in split(text, limit, measure):
        assert measure(part) <= limit
        assert part.strip()


@given(TEXTS, LIMITS, MEASURES)
def test_no_part_leaves_a_fence_open(text, limit, measure):
    for part in split(text, limit, measure):
        assert fences.open_at_end(part) is None


@given(TEXTS, LIMITS, MEASURES)
def test_a_beginning_fits_closes_its_fences_and_says_whether_there_is_more(text, limit, measure):
    begun = beginning(text, limit, measure)
    assert measure(begun) <= limit
    assert fences.open_at_end(begun) is None or begun == text
    assert begun == text or begun.endswith("…")


@given(TEXTS, LIMITS, MEASURES)
def test_no_text_is_lost(text, limit, measure):
    assert goes_through(re.sub(r"[\s`~>]", "", text), "".join(split(text, limit, measure)))


@given(TEXTS, LIMITS, MEASURES)
def test_nothing_but_fences_is_doubled(text, limit, measure):
    assume(not has_odd_fence(text))
    assert letters("\n".join(split(text, limit, measure))) == letters(text)


@given(
    st.text(alphabet=st.characters(exclude_characters="`~", exclude_categories=["Cs"]), max_size=400), LIMITS
)
def test_text_without_fences_loses_only_white_space(text, limit):
    assert re.sub(r"\s", "", "".join(split(text, limit, utf16))) == re.sub(r"\s", "", text)


@given(TEXTS, LIMITS, MEASURES, st.lists(st.integers(1, 40), max_size=80))
@example("word" * 8 + "👨‍👩‍👧‍👦> ```\n", 40, len, [])
def test_a_full_part_stays_whatever_comes_after_it(text, limit, measure, steps):
    splitter, end, full = Splitter(limit, measure), 0, ()
    for step in [*steps, len(text)]:
        end += step
        parts = splitter.parts(text[:end], " …")
        assert parts[: len(full)] == full
        full = parts[: splitter.num_full]
        assert all(measure(part) <= limit for part in parts)
    final = splitter.parts(text)
    assert final[: len(full)] == full
    assert goes_through(re.sub(r"[\s`~>]", "", text), "".join(final))


def test_a_full_part_stays_even_where_the_whole_text_would_fit_one_part():
    text = "word " * 7 + "<hidden>"

    def measure(part):
        return len(part.replace("<hidden>", ""))

    assert len(split(text, 40, measure)) == 1
    splitter = Splitter(40, measure)
    full, _ = splitter.parts(text[:-1])
    assert splitter.parts(text) == (full, "<hidden>")


@given(TEXTS, LIMITS, st.text(alphabet="ab \n", max_size=30))
def test_another_text_is_split_as_if_it_were_the_first(text, limit, other):
    splitter = Splitter(limit, len)
    splitter.parts("Z" + text)
    assert splitter.parts(other) == split(other, limit, len)


def test_text_that_fits_is_one_part_as_it_is():
    text = "# Title\n\n- one\n- two\n\n```py\nx\n```"
    assert split(text, len(text), len) == (text,)


@pytest.mark.parametrize("text", ["", " ", "\n\n \t\n"])
def test_a_blank_text_has_no_parts(text):
    assert split(text, 40, len) == ()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 25 + "\n\n" + "b b " * 5, ("a" * 25, "b b b b b b b b b b")),
        (
            "first line of it all here\nsecond line. And more",
            ("first line of it all here", "second line. And more"),
        ),
        ("It is a first sentence. Then a second one", ("It is a first sentence.", "Then a second one")),
        (
            "words and words and words and words and words",
            ("words and words and words and words and", "words"),
        ),
        ("x" * 45, ("x" * 40, "x" * 5)),
        ("y" * 39 + "```z", ("y" * 38, "y```z")),
        (
            "some text before it all\n```py\na = 1\nb = 2\n```",
            ("some text before it all", "```py\na = 1\nb = 2\n```"),
        ),
        (
            "- one and a bit of text here\n  - nested two words",
            ("- one and a bit of text here", "  - nested two words"),
        ),
    ],
    ids=[
        "paragraph",
        "line",
        "sentence",
        "word",
        "hard",
        "not before ticks",
        "before a fence",
        "indentation stays",
    ],
)
def test_the_best_boundary_is_taken(text, parts):
    assert split(text, 40, len) == parts


@pytest.mark.parametrize(
    ("opening", "reopened", "closing"),
    [
        ("```python", "```python", "```"),
        ("~~~", "~~~", "~~~"),
        ("````md", "````md", "````"),
        ("  ``` js title", "  ``` js title", "  ```"),
        ("> ```sh", "> ```sh", "> ```"),
        ("- ```sh", "  ```sh", "  ```"),
    ],
)
def test_a_fence_is_closed_and_opened_again_with_its_language(opening, reopened, closing):
    code = "\n".join(f"line {number}" for number in range(20))
    first, second, *_ = split(f"{opening}\n{code}\n{closing}", 80, len)
    assert first.startswith(opening + "\n")
    assert first.endswith("\n" + closing)
    assert second.startswith(reopened + "\n")
    assert second.endswith("\n" + closing)


def test_indentation_of_code_survives_the_cut():
    code = "".join(f"    step({number})\n" for number in range(20))
    parts = split(f"```py\n{code}```", 80, len)
    inner = [line for part in parts for line in part.split("\n")[1:-1]]
    assert inner == code.rstrip("\n").split("\n")


@pytest.mark.parametrize("one", ["😀", "👍🏽", "🇩🇪", "e\u0301", "👨‍👩‍👧"])
def test_no_cut_is_inside_a_character_that_a_reader_sees(one):
    for part in split(one * 60, 41, utf16):
        assert len(part) % len(one) == 0


def test_a_growing_closing_line_makes_no_message_of_its_own():
    code = "```\n" + "x = 1\n" * 6
    splitter = Splitter(44, len)
    counts = [len(splitter.parts((code + "```")[:end], " …")) for end in range(len(code) - 1, len(code) + 4)]
    assert counts == sorted(counts)
    assert counts[-1] == len(splitter.parts(code + "```"))


def test_the_tail_stands_outside_a_fence_and_is_left_off_where_it_does_not_fit():
    assert split_growing("some text") == ("some text …",)
    assert split_growing("```py\nx = 1") == ("```py\nx = 1\n```\n…",)
    assert split_growing("y" * 40) == ("y" * 40,)


def split_growing(text):
    return Splitter(40, len).parts(text, " …")


def test_a_very_long_text_is_split_in_linear_time():
    seen = []

    def measure(part):
        seen.append(len(part))
        return len(part)

    split("some words in a line\n" * 20_000, 2000, measure)
    assert sum(seen) < 25 * 420_000


def test_a_limit_too_short_to_split_into_is_refused():
    with pytest.raises(ValueError, match="too short"):
        split("x", 5, len)
