"""What runs found, together."""

from bench.teaching_results import Results


def test_an_earlier_run_stays_where_this_one_says_nothing(tmp_path):
    earlier, now = Results(), Results()
    earlier.note("trec", "ours", 16, 0, [True, False])
    earlier.note("sst2", "ours", 16, 0, [True, True])
    earlier.read("trec", "seconds", 0, [1.0])
    now.note("trec", "ours", 16, 0, [True, True])
    whole = now.beside(earlier)
    assert whole.of("trec", "ours", 16)[0].hits == "11"
    assert whole.of("sst2", "ours", 16)[0].hits == "11"
    assert whole.values("trec", "seconds") == [(1.0,)]
    assert len(whole.outcomes) == 2
