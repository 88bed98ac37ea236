"""The data sets: what is drawn, what is asked, and what is said where they are not there."""

import json

import pytest

from bench.teaching import arguments
from bench.teaching import main as run_of_benchmark
from bench.teaching_sets import (
    ABOUT,
    FOLDER_VARIABLE,
    FOREIGN,
    MAX_CHARACTERS,
    DataMissing,
    checked_folder,
    foreign_texts,
    read_set,
)


@pytest.fixture
def folder(tmp_path):
    labels_of = {name: list(ABOUT[name]) for name in FOREIGN}
    known = {name: {"labels": labels} for name, labels in labels_of.items()}
    (tmp_path / "PROVENANCE.json").write_text(json.dumps(known))
    for name, labels in labels_of.items():
        for part, number in (("train", 40), ("test", 9)):
            rows = [{"text": f"{name} {part} {at}", "label": labels[at % 2]} for at in range(number)]
            (tmp_path / f"{name}.{part}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return tmp_path


def test_a_greater_draw_begins_with_the_smaller_one(folder):
    data = read_set(folder, "trec", 9)
    assert data.drawn(3, 8) == data.drawn(3, 30)[:8]
    assert data.drawn(3, 30) != data.drawn(4, 30)
    assert data.drawn(3, 30) == read_set(folder, "trec", 5).drawn(3, 30)


def test_nothing_is_drawn_twice_and_no_test_item_is_drawn(folder):
    data = read_set(folder, "trec", 9)
    drawn = data.drawn(0, 40)
    assert len(set(drawn)) == 40
    assert not set(drawn) & set(data.tests)


def test_texts_are_cut_for_everybody_and_tests_are_as_many_as_wanted(folder):
    long = {"text": "x" * 5000, "label": "number"}
    (folder / "trec.test.jsonl").write_text(json.dumps(long) + "\n" + json.dumps(long) + "\n")
    (one,) = read_set(folder, "trec", 1).tests
    assert len(one.text) == MAX_CHARACTERS


def test_a_skill_shows_what_it_is_given_with_its_label(folder):
    data = read_set(folder, "sst2", 3)
    shown = data.drawn(0, 4)
    skill = data.skill(shown)
    assert skill.choices == ("negative", "positive")
    assert [one.output for one in skill.examples] == [data.labels[one.label] for one in shown]


def test_foreign_texts_come_from_all_that_are_foreign(folder):
    texts = foreign_texts(folder, 12)
    assert [text.split()[0] for text in texts] == [name for name in FOREIGN for _ in range(3)]


def test_the_folder_is_named_by_option_or_environment(folder, tmp_path):
    assert checked_folder(folder, {}) == folder
    assert checked_folder(None, {FOLDER_VARIABLE: str(folder)}) == folder


def test_where_there_is_no_data_one_sentence_says_what_to_do(folder, tmp_path):
    with pytest.raises(DataMissing, match=FOLDER_VARIABLE):
        checked_folder(None, {})
    with pytest.raises(DataMissing, match="PROVENANCE"):
        checked_folder(tmp_path / "elsewhere", {})
    (folder / "trec.train.jsonl").unlink()
    with pytest.raises(DataMissing, match=r"trec\.train\.jsonl is not there"):
        read_set(folder, "trec", 3)
    with pytest.raises(DataMissing, match="does not name snips"):
        read_set(folder, "snips", 3)


async def test_the_benchmark_without_data_ends_with_that_sentence(monkeypatch, capsys):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert await run_of_benchmark(arguments([])) == 2
    assert FOLDER_VARIABLE in capsys.readouterr().err
