"""The peers' prompts, and when their text counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.teaching_live import write_skill
from bench.teaching_peer import PeerSettings, Question, Written
from bench.teaching_peers import Answers, few_shot, is_right, nearest, num_that_fit, pasted
from bench.teaching_sets import ABOUT, ChoiceSet, Item
from engine.prompt import system_message
from engine.skillfile import read_skill

SHOWN = (Item("where is it", 0), Item("money back", 1))
DATA = ChoiceSet("banking10", ("card arrival", "refund"), SHOWN, (Item("it is lost", 0),))


@pytest.mark.parametrize(
    "written",
    ["refund", " Refund", "refund.", '"refund"', "\n refund\nInput: more", "Output: refund", "**Refund**"],
)
def test_a_label_counts_however_it_is_dressed(written):
    assert is_right(written, "refund")


@pytest.mark.parametrize(
    "written", ["", "\n", "a refund", "refund it", "card arrival", "The answer is refund"]
)
def test_other_text_does_not_count(written):
    assert not is_right(written, "refund")


@given(st.lists(st.integers(1, 600), max_size=100))
def test_as_many_examples_are_pasted_as_have_room_and_not_one_less(counts):
    number = num_that_fit(counts)
    room = 8192 - 512
    assert sum(counts[:number]) + 8 * number <= room
    assert number == len(counts) or sum(counts[: number + 1]) + 8 * (number + 1) > room


def test_a_few_shot_prompt_ends_where_the_label_begins_and_has_the_examples_in_their_order():
    prompt = few_shot(DATA, SHOWN, "it is lost").prompt
    assert prompt.endswith("Input: it is lost\nOutput:")
    assert prompt.index("where is it\nOutput: card arrival") < prompt.index("money back\nOutput: refund")
    assert prompt.startswith(system_message(DATA.skill(())).content)
    assert ABOUT["banking10"]["refund"] in prompt


def test_pasted_examples_stand_before_every_message_so_that_they_are_read_once():
    one, other = (pasted(DATA, SHOWN, text).messages for text in ("it is lost", "hello"))
    assert one[0] == other[0]
    assert one[1] == ("user", "it is lost")
    assert "Input: money back\nOutput: refund" in one[0][1]


def test_the_nearest_come_first():
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    assert nearest(vectors, np.array([0, 1], dtype=np.float32), 2) == [1, 2]


class _Peer:
    num_asked = 0

    async def write(self, question: Question) -> Written:
        self.num_asked += 1
        return Written(f"answer to {question.prompt}", 0.0)


async def test_what_was_written_once_is_not_asked_for_again_but_by_another_model(tmp_path):
    path, peer = tmp_path / "answers.jsonl", _Peer()
    settings = PeerSettings(tmp_path / "model.gguf", "a" * 64, 1)
    asked = Question(3, prompt="two\nlines")
    first = await Answers(path, settings).of(peer, asked)
    assert await Answers(path, settings).of(peer, asked) == first == "answer to two\nlines"
    assert peer.num_asked == 1
    for other in (Question(4, prompt="two\nlines"), Question(3, messages=(("user", "two\nlines"),))):
        await Answers(path, settings).of(peer, other)
    await Answers(path, PeerSettings(settings.model, "b" * 64, 1)).of(peer, asked)
    assert peer.num_asked == 4


def test_a_skill_file_holds_what_the_measured_skill_holds(tmp_path):
    path = write_skill(tmp_path, DATA, SHOWN)
    read, measured = read_skill(path.read_bytes(), path.stem, str(path)), DATA.skill(SHOWN)
    assert (read.choices, read.choice_descriptions) == (measured.choices, measured.choice_descriptions)
    assert (read.examples, read.instructions) == (measured.examples, measured.instructions)
    assert system_message(read) == system_message(measured)
