"""What is written in Prometheus' format is read back the same by a reader that knows nothing of the writer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.metrics_text import Family, Kind, Sample, counter, gauge, histogram, rendered
from tests.prometheus import parse

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


@given(TEXTS, st.dictionaries(st.sampled_from(["skill", "model", "of"]), TEXTS))
def test_whatever_a_label_or_a_sentence_holds_comes_back(about: str, labels: dict[str, str]) -> None:
    page = rendered([gauge("a_b", about, Sample(1, labels))]).decode()
    (family,) = parse(page).values()
    assert family.about == about
    assert family.samples == {("", tuple(labels.items())): 1.0}


@given(st.floats() | st.integers(-(10**15), 10**15))
def test_each_number_comes_back_exactly(value: float) -> None:
    read = parse(rendered([gauge("a", "A number.", Sample(value))]).decode())["a"].value
    assert read == value or (math.isnan(read) and math.isnan(value))


@given(st.lists(st.integers(0, 100), min_size=4, max_size=4), st.floats(0, 1e6))
def test_a_histograms_buckets_hold_all_that_is_below_their_bound(counts: list[int], total: float) -> None:
    page = rendered([histogram("a_seconds", "Time.", (0.5, 1.0, 10.0), counts, total)]).decode()
    samples = parse(page)["a_seconds"].samples
    up_to = [value for (suffix, _), value in samples.items() if suffix == "_bucket"]
    assert up_to == [sum(counts[: number + 1]) for number in range(4)]
    assert [labels for (suffix, labels) in samples if suffix == "_bucket"] == [
        (("le", "0.5"),),
        (("le", "1.0"),),
        (("le", "10.0"),),
        (("le", "+Inf"),),
    ]
    assert (samples["_sum", ()], samples["_count", ()]) == (total, sum(counts))


def test_a_page_is_what_prometheus_documents_letter_for_letter() -> None:
    page = rendered(
        [
            counter(
                "files_total", "Files\nread.", Sample(3, {"path": 'C:\\a "b"\n'}), Sample(0, {"path": ""})
            ),
            Family("empty", Kind.GAUGE, "Nothing.", ()),
        ]
    )
    assert page.decode() == (
        "# HELP files_total Files\\nread.\n"
        "# TYPE files_total counter\n"
        'files_total{path="C:\\\\a \\"b\\"\\n"} 3\n'
        'files_total{path=""} 0\n'
        "# HELP empty Nothing.\n"
        "# TYPE empty gauge\n"
    )


def test_a_character_that_no_file_can_hold_breaks_nothing() -> None:
    assert b'{model="a?"}' in rendered([gauge("a", "A.", Sample(1, {"model": "a\ud800"}))])


@pytest.mark.parametrize(
    "page",
    [
        "a 1\n",
        "# HELP a A.\n# TYPE a gauge\na 1",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        "# HELP a A.\n# TYPE a gauge\na 1\na 2\n",
        '# HELP a A.\n# TYPE a gauge\na{b="c"d"} 1\n',
        '# HELP a A.\n# TYPE a gauge\na{b="\\x"} 1\n',
        "# HELP a A.\n# TYPE a gauge\na one\n",
        '# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    ],
)
def test_the_reader_of_these_tests_refuses_what_is_wrong(page: str) -> None:
    with pytest.raises(ValueError):
        parse(page)
