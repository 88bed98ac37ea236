"""Labels are told apart by as few tokens as possible, and their scores are those of forced decoding."""

from hypothesis import given
from hypothesis import strategies as st

from engine.inference.labels import LabelTree

END = 99
LABELS = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), min_size=1, max_size=6, unique=True
)


def log_probability(node: tuple[int, ...], token: int) -> float:
    return -float(hash((node, token)) % 100)


def scores_of(tree: LabelTree) -> tuple[float, ...]:
    """From what a context gives: the root, and each beginning of each path."""
    nodes = {()} | {path[: length + 1] for path in tree.paths for length in range(len(path))}
    return tree.scores(
        {(node, child): log_probability(node, child) for node in nodes for child in tree.children(node)}
    )


@given(LABELS)
def test_a_score_is_the_sum_along_the_shortest_beginning_that_no_other_label_has(
    labels: list[tuple[int, ...]],
) -> None:
    found = scores_of(LabelTree(labels, END))
    for label, score in zip(labels, found, strict=True):
        whole, others = (*label, END), [(*other, END) for other in labels if other != label]
        needed = next(
            length
            for length in range(1, len(whole) + 1)
            if all(one[:length] != whole[:length] for one in others)
        )
        assert score == sum(log_probability(whole[:at], whole[at]) for at in range(needed))


@given(LABELS)
def test_no_path_is_computed_twice_or_for_nothing(labels: list[tuple[int, ...]]) -> None:
    paths = LabelTree(labels, END).paths
    assert all(
        one[: len(other)] != other and other[: len(one)] != one
        for one in paths
        for other in paths
        if one is not other
    )
    assert all(sum(label[: len(path)] == path for label in labels) >= 2 for path in paths)


def test_labels_that_begin_differently_need_nothing_but_the_prompt() -> None:
    assert LabelTree([(1, 2, 3), (2, 2), (3,)], END).paths == ()


def test_a_label_that_begins_another_is_told_apart_by_the_end() -> None:
    tree = LabelTree([(1,), (1, 2)], END)
    assert tree.paths == ((1,),)
    assert set(tree.children((1,))) == {2, END}
