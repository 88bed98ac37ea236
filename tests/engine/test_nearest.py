"""How alike texts are."""

from hypothesis import given
from hypothesis import strategies as st

from engine.nearest import nearest, share, trigrams

TEXTS = st.lists(st.text(alphabet="ab c.é中", max_size=12), max_size=12)


@given(st.text(max_size=20), st.text(max_size=20))
def test_likeness_is_mutual_between_none_and_all(one: str, other: str) -> None:
    assert 0 <= share(trigrams(one), trigrams(other)) == share(trigrams(other), trigrams(one)) <= 1


@given(st.text(alphabet="ab c.é中", max_size=12), TEXTS, st.integers(0, 5))
def test_the_nearest_come_last_and_nothing_that_is_left_out_is_nearer(
    text: str, others: list[str], number: int
) -> None:
    found = nearest(text, others, max_number=number)
    shares = [share(trigrams(text), trigrams(other)) for other in others]
    assert len(found) == len(set(found)) == min(number, sum(one > 0 for one in shares))
    assert [shares[index] for index in found] == sorted(shares[index] for index in found)
    left_out = [one for index, one in enumerate(shares) if index not in found]
    assert not found or max(left_out, default=0) <= shares[found[0]]


def test_the_same_text_is_the_nearest_whatever_its_case_and_full_stop() -> None:
    others = ["The site is down", "the site is slow", "is the down site"]
    assert nearest("the SITE is down!", others, max_number=1) == (0,)
    assert nearest("zzz", others, max_number=3) == ()
