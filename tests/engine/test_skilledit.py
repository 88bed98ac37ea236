"""Laws of the edit: the file is the old skill with just that change, and no byte of the rest is another."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import FileFaults, TeachingRefused
from engine.skill import Example
from engine.skilledit import Edited, add_examples, remove_example, replace_example
from engine.skillfile import read_skill
from engine.yamltext import Hand, quoted

PATH = "skills/x.yaml"
HEAD = "description: What it is\ninstructions: Say it.\n"

# Everything a person can send: `cleaned` takes control characters out before.
characters = st.characters(
    exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff\ufffe\uffff", include_characters="\n\t"
)
AS_YAML = [
    "no",
    "null",
    "~",
    "010",
    "- x",
    "a: b",
    "a #b",
    "#x",
    "[x]",
    "{x}",
    "&x",
    "*x",
    "!x",
    "|",
    ">",
    "%x",
]
IN_QUOTES = [
    "'x'",
    '"x"',
    "it's",
    "\\",
    "x?",
    "? x",
    "x:",
    ":",
    "---",
    "...",
    "a, b",
    "@x",
    "`x",
    "\t",
    "true",
    "1e3",
]
IN_LINES = [
    "a\n  b",
    "  a\nb",
    "a\n\nb",
    "a \nb",
    "a\nb: c\n- d",
    "# a\n# b",
    "a\u2028b",
    "\u00a0x",
    "=>",
    "<<",
]
IN_SCRIPTS = ["中文。", "مرحبا", "🙂", "x" * 200]
nasty = st.sampled_from([*AS_YAML, *IN_QUOTES, *IN_LINES, *IN_SCRIPTS])
texts = st.one_of(nasty, st.text(characters, min_size=1, max_size=40)).filter(lambda text: bool(text.strip()))


def edited(content: str | bytes, *examples: tuple[str, str]) -> Edited:
    raw = content.encode() if isinstance(content, str) else content
    return add_examples(raw, "x", PATH, [Example({"text": one}, output) for one, output in examples])


def shown(content: str, *examples: tuple[str, str]) -> str:
    return edited(content, *examples).after.decode()


def is_rest_kept(before: bytes, after: bytes) -> bool:
    """Whether `before` is what is left of `after` when pieces of it are taken out, in order."""
    rest = iter(after)
    return all(byte in rest for byte in before)


# Files in every style that people write


def plain_styles(column: int, gap: int) -> st.SearchStrategy[list[str]]:
    margin, inner = " " * column, " " * (column + gap)
    dash = f"{margin}-{' ' * (gap - 1)}"
    return st.lists(
        st.sampled_from(
            [
                f"{dash}input: one\n{inner}output: two\n",
                f"{dash}output: 'it''s'\n{inner}input: \"a \\\" b\"   # why\n",
                f"{dash}{{input: a, output: b}}\n",
                f"{dash}{{ input: 'a, b', output: \"c\" }}   # remark - with a dash\n",
                f"{dash}input: |\n{inner}  some\n\n{inner}  lines\n{inner}output: >\n{inner}  folded\n{inner}  text\n",
                f"{dash}input: |2\n{inner}   deep\n{inner}output: |-\n{inner}  cut\n",
                f"{dash}input: a plain text\n{inner}  of two lines\n{inner}output: b\n",
                f"{margin}-\n{inner}input: next\n{inner}output: line\n",
                f"{margin}# about the next one\n{dash}input:\n{inner}  text: deep\n{inner}output: b\n",
                f"\n{dash}input: {{text: a}}\n{inner}# inside\n{inner}output: b # end\n\n",
                f"{dash}input: a\n{inner}output: |+\n{inner}  kept\n\n",
            ]
        ),
        min_size=1,
        max_size=4,
    )


ENDS = [
    *("", "\n\n", "# the end", "\n# more\nsampling: {temperature: 0}\n", "memory: none"),
    *("sampling:\n  max_tokens: 5\n...\n", "   \n  # indented remark\n", "takes: text   \n\n# x"),
    "checks:\n  - input: held out, and\n    output: kept   # never taught\n",
    "checks: [{input: 'held: out', output: kept}]\n# the end\n",
]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    before = draw(st.sampled_from(["", "# first\n", "---\n", "\n\n"]))
    after = draw(st.sampled_from(ENDS))
    kind = draw(st.sampled_from(["block", "flow", "lines", "none"]))
    if kind == "block":
        column = draw(st.sampled_from([0, 2, 4]))
        gap = draw(st.sampled_from([2, 4]))
        remark = draw(st.sampled_from(["", "   # examples", " \n", "\n  # what follows"]))
        listed = f"examples:{remark.rstrip(' ')}\n" + "".join(draw(plain_styles(column, gap)))
        listed = listed.replace(": \n\n", ":\n\n")
    elif kind == "flow":
        items = draw(
            st.lists(st.sampled_from(["{input: a, output: b}", "{ input: 'c', output: d, }"]), max_size=3)
        )
        listed = f"examples: [{draw(st.sampled_from(['', ' ']))}{', '.join(items)}{draw(st.sampled_from(['', ' ']))}]   # x\n"
    elif kind == "lines":
        comma = draw(st.sampled_from(["", ",", " ,", ",   # remark"]))
        remark = draw(st.sampled_from(["", "  # of this"]))
        listed = f"examples: [   # list\n  {{input: a, output: b}},{remark}\n  {{input: c,\n   output: d}}{comma}{remark if not comma else ''}\n]\n"
    else:
        listed = ""
    text = before + HEAD + listed + after
    if draw(st.booleans()):
        text = text.rstrip("\n")
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    bom = draw(st.sampled_from(["", "\ufeff"]))
    return (bom + text.replace("\n", end)).encode()


@settings(max_examples=400, deadline=None)
@given(files(), st.lists(st.tuples(texts, texts), min_size=1, max_size=3))
def test_what_is_taught_reads_back_and_every_other_byte_is_as_it_was(
    content: bytes, taught: list[tuple[str, str]]
) -> None:
    old = read_skill(content, "x", PATH)
    done = edited(content, *taught)
    new = read_skill(done.after, "x", PATH)
    told = [(example.inputs["text"], example.output) for example in new.examples[len(old.examples) :]]
    assert told == [(one.strip("\n"), output.strip("\n")) for one, output in taught]
    assert new.examples[: len(old.examples)] == old.examples
    assert is_rest_kept(content, done.after)
    pieces = [line for line in content.splitlines(keepends=True) if line.strip()]
    kept = done.after.splitlines(keepends=True)
    changed = [line for line in pieces if line not in kept]
    assert len(changed) <= 1  # the one line that a comma, a bracket or its own missing end has to touch


@settings(max_examples=300, deadline=None)
@given(files(), st.data())
def test_taking_an_example_out_leaves_the_others_and_the_remarks(content: bytes, data: st.DataObject) -> None:
    old = read_skill(content, "x", PATH)
    if not old.examples:
        return
    index = data.draw(st.integers(0, len(old.examples) - 1))
    done = remove_example(content, "x", PATH, index)
    assert done.new.examples == (*old.examples[:index], *old.examples[index + 1 :])
    if b"[" not in content:
        without = done.after.replace(b"examples: []", b"examples:")
        assert is_rest_kept(without, content)
        assert b"# what follows" not in content or b"# what follows" in done.after
        assert content.count(b"# about the next one") == done.after.count(b"# about the next one")


@settings(max_examples=300, deadline=None)
@given(files(), texts, texts, st.data())
def test_another_example_takes_the_place_of_one_and_nothing_else_moves(
    content: bytes, text: str, output: str, data: st.DataObject
) -> None:
    old = read_skill(content, "x", PATH)
    if not old.examples:
        return
    index = data.draw(st.integers(0, len(old.examples) - 1))
    done = replace_example(content, "x", PATH, index, Example({"text": text}, output))
    assert done.new.examples[index].inputs["text"] == text.strip("\n")
    assert done.new.examples[index].output == output.strip("\n")
    assert len(done.new.examples) == len(old.examples)
    for number, example in enumerate(done.new.examples):
        assert number == index or example == old.examples[number]


@settings(max_examples=200, deadline=None)
@given(files(), texts, texts)
def test_what_was_added_can_be_taken_out_again(content: bytes, text: str, output: str) -> None:
    done = edited(content, (text, output))
    back = remove_example(done.after, "x", PATH, len(done.new.examples) - 1)
    assert back.new.examples == done.old.examples


@settings(max_examples=300, deadline=None)
@given(texts)
def test_a_text_is_itself_whatever_the_hand(text: str) -> None:
    for hand in (
        Hand(),
        Hand(may_be_block=False),
        Hand(is_all_quoted=True, may_be_block=False),
        Hand(is_typed=True),
    ):
        page = f"{HEAD}examples: [{{input: a, output: {hand.flow(text)}}}]\n".encode()
        assert read_skill(page, "x", PATH).examples[0].output == text.strip("\n")
    assert quoted(text)[0] in "'\""


# What a person sees


def test_a_block_list_goes_on_in_its_own_style() -> None:
    page = HEAD + "examples:\n    -   input: a   # why\n        output: b\n\n# sampling\nmemory: none\n"
    wanted = page.replace("output: b\n", "output: b\n    -   input: c d\n        output: e\n")
    assert shown(page, ("c d", "e")) == wanted


def test_a_flow_item_is_followed_by_a_flow_item() -> None:
    page = HEAD + "examples:\n- {input: a, output: b}\n"
    assert shown(page, ("c, d", "e")) == page + '- {input: "c, d", output: e}\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("examples: []\n", "examples: [{input: c, output: d}]\n"),
        ("examples: [{input: a, output: b}]\n", "examples: [{input: a, output: b}, {input: c, output: d}]\n"),
        ("", "examples:\n  - input: c\n    output: d\n"),
        (
            "examples: [\n  {input: a, output: b}  # x\n]\n",
            "examples: [\n  {input: a, output: b},  # x\n  {input: c, output: d}\n]\n",
        ),
    ],
)
def test_lists_in_brackets_empty_ones_and_missing_ones(before: str, after: str) -> None:
    assert shown(HEAD + before, ("c", "d")) == HEAD + after


def test_several_lines_are_written_as_lines_and_end_as_the_file_does() -> None:
    page = (HEAD + "examples:\n  - input: a\n    output: b").replace("\n", "\r\n")
    wanted = page + "\r\n  - input: |\r\n      c\r\n      d\r\n    output: e"
    assert edited(page, ("c\nd", "e")).after.decode() == wanted


def test_the_order_of_the_keys_is_that_of_the_last_example() -> None:
    page = HEAD + "examples:\n  - output: b\n    input: a\n"
    assert shown(page, ("c", "d")) == page + "  - output: d\n    input: c\n"


def test_inputs_by_name_and_choices_are_checked_as_in_any_file() -> None:
    page = (
        HEAD
        + "inputs:\n  text: {description: T}\n  tone: {description: H, choices: [soft, hard]}\nchoices: [yes, no]\n"
    )
    given_inputs = {"text": "c", "tone": "soft"}
    done = add_examples(page.encode(), "x", PATH, [Example(given_inputs, "no")])
    assert done.after.decode() == page + "examples:\n  - input: {text: c, tone: soft}\n    output: no\n"
    with pytest.raises(FileFaults, match="did you mean `no`"):
        raise_in_words(page, Example(given_inputs, "noo"))


def raise_in_words(page: str, *examples: Example) -> None:
    try:
        add_examples(page.encode(), "x", PATH, examples)
    except FileFaults as error:
        error.args = (" ".join(map(str, error.faults)),)
        raise


ACTIONS = HEAD + (
    "output:\n  type: array\n  items:\n    type: object\n    required: [who, what, due]\n    properties:\n"
    '      who: {type: string}\n      what: {type: string}\n      due: {type: [string, "null"]}\n'
)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [{"who": "007", "what": "call: now", "due": None}],
        [{"who": "null", "what": "a\nb", "due": "true"}, {"who": "Ann", "what": "x" * 120, "due": "5"}],
    ],
)
def test_json_is_written_as_yaml_that_means_the_same(answer: list[dict[str, str | None]]) -> None:
    done = add_examples(ACTIONS.encode(), "x", PATH, [Example({"text": "t"}, json.dumps(answer))])
    assert json.loads(done.new.examples[-1].output) == answer
    assert is_rest_kept(ACTIONS.encode(), done.after)


def test_what_is_no_json_is_refused_in_words() -> None:
    with pytest.raises(TeachingRefused):
        add_examples(ACTIONS.encode(), "x", PATH, [Example({"text": "t"}, "Ann calls")])


@pytest.mark.parametrize("content", [b"description: x\n", HEAD.encode() + b"examples:\n", b"\xff\xfe"])
def test_a_file_with_faults_is_left_alone_and_its_faults_are_told(content: bytes) -> None:
    with pytest.raises(FileFaults):
        edited(content, ("a", "b"))


def test_a_file_that_would_grow_too_large_is_left_alone() -> None:
    with pytest.raises(FileFaults):
        edited(HEAD, ("a", "b" * 300_000))


def test_thousands_come_in_one_go() -> None:
    many: Sequence[tuple[str, str]] = [(f"text {number}", "b") for number in range(1500)]
    assert len(edited(HEAD, *many).new.examples) == 1500
