"""The model of a fixed speed, in virtual time."""

import asyncio
from contextlib import aclosing

import pytest

from bench.places_model import PacedInference, Writing, answer_to, opening, question, tokens
from engine.inference import ChatMessage, Finished, Prompt, Request, Role, Sampling
from tests.virtual_time import run

WRITING = Writing(num_words=12, words_per_second=4.0)


async def seconds_of(one: PacedInference, number: int) -> tuple[float, str]:
    asked = Request(
        Prompt(fixed=(), turns=(), last=ChatMessage(Role.USER, question(number))), Sampling(max_tokens=100)
    )
    began, text = asyncio.get_running_loop().time(), ""
    async with aclosing(one.stream(asked)) as events:
        async for event in events:
            text += "" if isinstance(event, Finished) else event.text
    return asyncio.get_running_loop().time() - began, text


@pytest.mark.parametrize("people", [1, 5, 20])
def test_each_answer_takes_the_same_time_however_many_there_are(people: int) -> None:
    async def ask_at_once() -> list[tuple[float, str]]:
        model = PacedInference(WRITING, num_slots=people)
        return await asyncio.gather(*(seconds_of(model, number) for number in range(people)))

    found = run(ask_at_once())
    assert [text for _, text in found] == [answer_to(question(number), WRITING) for number in range(people)]
    assert [seconds for seconds, _ in found] == pytest.approx([WRITING.seconds] * people)


def test_who_comes_late_for_a_word_finds_the_next_ones_waiting() -> None:
    async def read_late() -> float:
        began = asyncio.get_running_loop().time()
        async with aclosing(tokens(question(1), WRITING)) as words:
            async for number, _ in _counted(words):
                await asyncio.sleep(1.5 if number == 0 else 0)
        return asyncio.get_running_loop().time() - began

    async def _counted(words):
        number = 0
        async for word in words:
            yield number, word
            number += 1

    assert run(read_late()) == pytest.approx(WRITING.seconds)


def test_answers_have_the_length_that_was_asked_for_and_an_opening_of_their_own() -> None:
    texts = [answer_to(question(number), WRITING) for number in range(1, 30)]
    assert {len(text.split()) for text in texts} == {WRITING.num_words}
    for number in range(1, 30):
        assert [opening(number) in text for text in texts].count(True) == 1


def test_the_number_is_found_behind_a_mention() -> None:
    assert answer_to(f"<@123456> {question(7)}", WRITING) == answer_to(question(7), WRITING)
