"""Text scores against a plain reading of their definitions, and the laws that any such score keeps."""

import random
from collections import Counter

import pytest

from engine.textscore import chrf, is_exact, token_f1

PIECES = ["deploy", "the", "Build", "is", "red", ".", "\n", "日本", "é", "42", "-"]


def some_text(draw: random.Random) -> str:
    return " ".join(draw.choices(PIECES, k=draw.randrange(8)))


def plain_chrf(expected: str, said: str) -> float:
    """Order by order, as the paper has it, over the orders for which both texts are long enough."""
    expected, said = ("".join(text.split()) for text in (expected, said))
    if expected == said:
        return 1.0
    found = []
    for order in range(1, 7):
        have = [said[at : at + order] for at in range(len(said)) if at + order <= len(said)]
        want = [expected[at : at + order] for at in range(len(expected)) if at + order <= len(expected)]
        if have and want:
            left, common = list(want), 0
            for one in have:
                if one in left:
                    left.remove(one)
                    common += 1
            found.append((common / len(have), common / len(want)))
    precision = sum(one for one, _ in found) / len(found) if found else 0
    recall = sum(one for _, one in found) / len(found) if found else 0
    return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


def test_chrf_is_what_counting_by_hand_gives() -> None:
    draw = random.Random(1)
    for _ in range(300):
        expected, said = some_text(draw), some_text(draw)
        assert chrf(expected, said) == pytest.approx(plain_chrf(expected, said))


def test_chrf_of_a_pair_that_was_worked_out_on_paper() -> None:
    # Of "abcd" in "abce": 3/4 characters, 2/3 pairs, 1/2 triples, 0/1 of four; precision equals recall.
    assert chrf("abcd", "abce") == pytest.approx((3 / 4 + 2 / 3 + 1 / 2 + 0) / 4)


@pytest.mark.parametrize("score", [chrf, token_f1])
def test_a_score_is_between_nothing_and_all(score) -> None:
    draw = random.Random(2)
    for _ in range(200):
        one, other = some_text(draw), some_text(draw)
        assert 0 <= score(one, other) <= 1
        assert score(one, one) == 1
    assert score("abc", "xyz") == 0
    assert score("abc", "") == score("", "abc") == 0


def test_chrf_does_not_see_white_space_and_recall_counts_more() -> None:
    assert chrf("a b  c", "ab\nc") == 1
    assert chrf("build is red now", "build is red") < chrf("build is red", "build is red now")


def test_token_f1_counts_words_whatever_their_case_and_characters_where_there_are_no_spaces() -> None:
    def by_hand(expected: list[str], said: list[str]) -> float:
        common = (Counter(expected) & Counter(said)).total()
        return 2 * common / (len(expected) + len(said))

    assert token_f1("The build is red.", "the BUILD was red") == by_hand(
        ["the", "build", "is", "red"], ["the", "build", "was", "red"]
    )
    assert token_f1("部署失败", "部署成功") == by_hand(list("部署失败"), list("部署成功"))


def test_exact_looks_at_everything_but_the_ends() -> None:
    assert is_exact("a b\n", " a b")
    assert not is_exact("a b", "a  b")
    assert not is_exact("A b", "a b")
