"""People's words stay words, what is fixed stays first, and the oldest turns go when room is short."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inference.errors import RequestFailed
from engine.inference.template import ChatTemplate
from engine.inference.wire import ChatMessage, FailureCode, Prompt, Role

START, END, TOOL = 1, 2, 3
MARKS = {"<|im_start|>": START, "<|im_end|>": END, "<|tool|>": TOOL}


class Letters:
    """A vocabulary of one token a character. `<|tool|>` is read in any text, as some models' user-defined tokens are."""

    bos_text, eos_text = "<s>", "</s>"
    markers = {token: text for text, token in MARKS.items()}

    def __init__(self, bos_token: int | None = None) -> None:
        self.bos_token = bos_token

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        known = MARKS if parse_special else {"<|tool|>": TOOL}
        parts = re.split("(" + "|".join(map(re.escape, known)) + ")", text)
        return [
            token
            for part in parts
            for token in ([known[part]] if part in known else [ord(one) + 10 for one in part])
        ]


def user(text: str) -> ChatMessage:
    return ChatMessage(Role.USER, text)


def assistant(text: str) -> ChatMessage:
    return ChatMessage(Role.ASSISTANT, text)


SYSTEM = ChatMessage(Role.SYSTEM, "Be kind.")
PIECES = ["a", "<", "|", "im_end", ">", "<|im_end|>", "<|im_start|>", "<|tool|>", "\n"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_no_words_of_people_become_marks_of_the_model(texts: list[str]) -> None:
    prompt = Prompt((SYSTEM, user(texts[0]), assistant(texts[-1])), (), user("".join(texts)))
    tokens = ChatTemplate(None, Letters()).fit(prompt, max_tokens=10_000).tokens
    assert tokens.count(START) == 5  # four messages and the answer that is to come
    assert tokens.count(END) == 4
    assert tokens.count(TOOL) == 0


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_the_words_themselves_are_all_there(texts: list[str]) -> None:
    tokens = (
        ChatTemplate(None, Letters())
        .fit(Prompt((SYSTEM,), (), user("".join(texts))), max_tokens=10_000)
        .tokens
    )
    read = "".join(chr(token - 10) if token > 10 else Letters.markers[token] for token in tokens)
    assert f"<|im_start|>user\n{''.join(texts)}<|im_end|>" in read


@given(TEXT, TEXT)
def test_what_is_fixed_gives_the_same_first_tokens_whatever_follows(one: str, other: str) -> None:
    template, fixed = ChatTemplate(None, Letters()), (SYSTEM, user("in"), assistant("out"))
    first = template.fit(Prompt(fixed, (), user("x" + one)), max_tokens=10_000)
    second = template.fit(Prompt(fixed, (user("q"), assistant("a")), user("y" + other)), max_tokens=10_000)
    assert first.num_fixed == second.num_fixed > 20
    assert first.tokens[: first.num_fixed] == second.tokens[: second.num_fixed]


@given(TEXT)
def test_what_is_fixed_ends_where_the_first_word_of_whoever_asks_begins(text: str) -> None:
    template, fixed = ChatTemplate(None, Letters()), (SYSTEM, user("in"), assistant("out"))
    for turns in ((), (user("q" + text), assistant("a"))):
        found = template.fit(Prompt(fixed, turns, user("q" + text)), max_tokens=10_000)
        assert found.tokens[found.num_fixed] == template.plain_tokens("q")[0]
        header = "".join(chr(token - 10) for token in found.tokens[found.num_fixed - 5 : found.num_fixed])
        assert header == "user\n"


@given(st.integers(0, 12), st.integers(60, 900))
def test_the_oldest_turns_go_a_few_pairs_at_a_time_and_only_when_they_must(
    num_pairs: int, max_tokens: int
) -> None:
    template = ChatTemplate(None, Letters())
    turns = tuple(
        message for index in range(num_pairs) for message in (user(f"q{index}"), assistant(f"a{index}"))
    )
    smallest = len(template.fit(Prompt((SYSTEM,), (), user("now")), max_tokens=10_000).tokens)
    if smallest > max_tokens:
        return
    fitted = template.fit(Prompt((SYSTEM,), turns, user("now")), max_tokens=max_tokens)
    assert len(fitted.tokens) <= max_tokens
    assert fitted.num_dropped_turns % 2 == 0
    if fitted.num_dropped_turns:
        longer = Prompt((SYSTEM,), turns[max(0, fitted.num_dropped_turns - 8) :], user("now"))
        assert len(template.fit(longer, max_tokens=10_000).tokens) > max_tokens
        only_last = Prompt((SYSTEM,), turns[-2:], user("now"))
        is_room_for_one = len(template.fit(only_last, max_tokens=10_000).tokens) <= max_tokens
        assert is_room_for_one == (fitted.num_dropped_turns < len(turns))


def test_a_message_that_cannot_fit_is_refused_with_both_numbers() -> None:
    with pytest.raises(RequestFailed) as caught:
        ChatTemplate(None, Letters()).fit(Prompt((SYSTEM,), (), user("x" * 500)), max_tokens=300)
    assert caught.value.code is FailureCode.PROMPT_TOO_LONG
    assert caught.value.num_tokens > caught.value.max_tokens == 300


def test_a_template_without_a_place_for_system_gets_it_before_the_first_user_message() -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ m.role }}]{{ m.content | trim }}{% endfor %}"
    )
    tokens = ChatTemplate(source, Letters()).fit(Prompt((SYSTEM,), (), user("Hi")), max_tokens=1000).tokens
    assert "".join(chr(token - 10) for token in tokens) == "[user]Be kind.\n\nHi"


def test_a_model_that_wants_a_first_token_gets_it_once() -> None:
    tokens = ChatTemplate(None, Letters(bos_token=7)).fit(Prompt((), (), user("Hi")), max_tokens=1000).tokens
    assert tokens[0] == 7
    assert tokens.count(7) == 1


def test_a_template_cannot_reach_out_of_its_sandbox() -> None:
    source = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    with pytest.raises(RequestFailed, match="chat template"):
        ChatTemplate(source, Letters()).fit(Prompt((), (), user("Hi")), max_tokens=1000)
