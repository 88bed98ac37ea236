"""A prompt that is longer than the context: the oldest turns go, then examples; what cannot fit even so is refused with both numbers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.answer import Finished
from engine.errors import PromptTooLong
from engine.inference import Worker
from engine.inference.errors import RequestFailed
from engine.inference.wire import ChatMessage, FailureCode, FinishReason, Prompt, Request, Role, Sampling
from engine.skill import Example, Memory
from tests.fakes import FakeInference, collect, make_message, make_skill, open_engine
from tests.inprocess import InProcess, in_process
from tests.outcomes import Injected
from tests.streams import whole

CONTEXT_TOKENS = 256
WORDS = st.lists(
    st.sampled_from(["the", "report", "is", "late", "\n", "日本", "<|im_end|>", "x" * 40, "🎉", " "]),
    max_size=60,
).map(" ".join)


def flat(pairs: list[tuple[str, str]]) -> tuple[ChatMessage, ...]:
    return tuple(
        message
        for said, answered in pairs
        for message in (ChatMessage(Role.USER, said), ChatMessage(Role.ASSISTANT, answered))
    )


PROMPTS = st.builds(
    lambda system, examples, turns, last: Prompt(
        (ChatMessage(Role.SYSTEM, system), *flat(examples)), flat(turns), ChatMessage(Role.USER, last)
    ),
    WORDS,
    st.lists(st.tuples(WORDS, WORDS), max_size=2),
    st.lists(st.tuples(WORDS, WORDS), max_size=12),
    WORDS,
)


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[InProcess]:
    with in_process(tiny_model, slots=1, context_tokens=CONTEXT_TOKENS) as opened:
        yield opened


@pytest.mark.fault(
    "F34", "prompts of all sizes for a context of 256 tokens, through the model's own vocabulary"
)
@settings(max_examples=200)
@given(prompt=PROMPTS, max_tokens=st.integers(1, 4000))
def test_it_fits_with_its_newest_turns_or_is_refused_because_nothing_could_be_left_out(
    engine: InProcess, prompt: Prompt, max_tokens: int
) -> None:
    template, room = engine.loaded.template, engine.context.slot_tokens
    kept_free = min(max_tokens, room // 2)
    alone = template.fit(Prompt(prompt.fixed, (), prompt.last), max_tokens=100_000).tokens
    asked = Request(prompt, Sampling(max_tokens=max_tokens))
    if len(alone) + kept_free > room:
        with pytest.raises(RequestFailed) as caught:
            engine.loaded.intake.sequence(1, asked)
        assert caught.value.code is FailureCode.PROMPT_TOO_LONG
        assert (caught.value.num_tokens, caught.value.max_tokens) == (len(alone), room - kept_free)
        return
    sequence = engine.loaded.intake.sequence(1, asked)
    sequence.task.sampler.close()
    assert len(sequence.prompt.tokens) + kept_free <= room
    dropped = sequence.prompt.num_dropped_turns
    assert dropped % 2 == 0
    left = Prompt(prompt.fixed, prompt.turns[dropped:], prompt.last)
    assert sequence.prompt.tokens == template.fit(left, max_tokens=100_000).tokens


@pytest.mark.fault(
    "F34", "a conversation that grows far beyond the context of a real worker, and a message that does"
)
async def test_the_conversation_goes_on_and_the_message_is_refused_with_both_numbers(
    tiny_model: Path, injected: Injected
) -> None:
    worker = await Worker.start(tiny_model, name="tiny", slots=1, context_tokens=CONTEXT_TOKENS, threads=1)
    spoken: tuple[ChatMessage, ...] = ()
    fixed = (ChatMessage(Role.SYSTEM, "Be kind."),)
    most_dropped = 0
    try:
        for number in range(24):
            last = ChatMessage(Role.USER, f"question {number} " * 6)
            text, end = await whole(worker, Request(Prompt(fixed, spoken, last), Sampling(max_tokens=12)))
            assert end.reason in {FinishReason.STOP, FinishReason.LENGTH, FinishReason.LOOP}
            assert end.usage.num_prompt_tokens <= CONTEXT_TOKENS
            most_dropped = max(most_dropped, end.usage.num_dropped_turns)
            spoken += (last, ChatMessage(Role.ASSISTANT, text))
        assert most_dropped > 20
        with pytest.raises(RequestFailed) as caught:
            await whole(worker, Request(Prompt(fixed, (), ChatMessage(Role.USER, "long " * 500))))
        assert caught.value.num_tokens > caught.value.max_tokens > 0
        assert worker.num_restarts == 0
    finally:
        await worker.close()
    injected(25)


EXAMPLES = tuple(
    Example({"text": f"input number {number} " + "word " * 20}, f"answer {number}", is_pinned=number == 6)
    for number in range(8)
)


@pytest.mark.fault("F34", "messages of 10 to 240 words for a skill whose examples fill the context")
@pytest.mark.parametrize("num_words", [10, 60, 120, 200, 240])
async def test_examples_make_room_the_pinned_one_last_and_the_message_is_answered_whole(
    tmp_path: Path, num_words: int
) -> None:
    skill = make_skill("say", examples=EXAMPLES)
    model = FakeInference(context_tokens=330)
    text = "w " * num_words
    async with open_engine(tmp_path, model, skill) as engine:
        events = await collect(engine.respond(make_message(f"/say {text}")))
    assert isinstance(events[-1], Finished)
    prompt = model.requests[-1].prompt
    assert prompt.last.content.split() == text.split()
    shown = [one.content.split()[2] for one in prompt.fixed[1::2]]
    assert shown == sorted(shown)
    assert (len(shown) == 8) == (num_words == 10)
    assert "6" in shown or not shown


@pytest.mark.fault("F34", "a message that does not fit even without an example")
async def test_a_message_that_never_fits_is_told_so_in_a_sentence(tmp_path: Path) -> None:
    skill = make_skill("say", examples=EXAMPLES)
    async with open_engine(tmp_path, FakeInference(context_tokens=330), skill) as engine:
        with pytest.raises(PromptTooLong) as caught:
            await collect(engine.respond(make_message("/say " + "w " * 400)))
        assert caught.value.num_tokens > caught.value.max_tokens
        events = await collect(engine.respond(make_message("/say w")))
    assert isinstance(events[-1], Finished)


@pytest.mark.fault("F34", "a skill that remembers, in a conversation with examples that fill the context")
async def test_a_skill_that_remembers_makes_room_likewise(tmp_path: Path) -> None:
    skill = make_skill("chat", examples=EXAMPLES, memory=Memory.CONVERSATION)
    async with open_engine(tmp_path, FakeInference(context_tokens=330), skill) as engine:
        for number in range(6):
            events = await collect(engine.respond(make_message(f"{number} " + "w " * (10 + 40 * number))))
            assert isinstance(events[-1], Finished)
