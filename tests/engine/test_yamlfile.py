"""The strict reader: what it takes, what it refuses, and that nothing but faults ever comes out of it."""

import os
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import yamlfile
from engine.errors import FileFaults
from engine.shape import plain
from engine.yamlfile import MAX_BYTES, FaultList, MapNode, parse, read_bytes


def faults_of(content: bytes) -> list[str]:
    faults = FaultList("a.yaml")
    parse(content, faults)
    return [str(fault) for fault in faults.faults]


def read(content: bytes) -> object:
    faults = FaultList("a.yaml")
    root = parse(content, faults)
    assert faults.faults == ()
    assert isinstance(root, MapNode)
    return plain(root)


@pytest.mark.parametrize(
    "text", ["no", "010", "1:30", "190:20:30", "null", "~", "1e3", "2020-01-01", "true", "0x1F"]
)
def test_every_scalar_stays_the_text_that_was_written(text):
    assert read(f"a: {text}\nb: [{text}]\n{text}: c\n".encode()) == {"a": text, "b": [text], text: "c"}


@pytest.mark.parametrize(
    "content",
    [b"a: b\nc: d\n", b"\xef\xbb\xbfa: b\nc: d\n", b"a: b\r\nc: d\r\n", b"a: b\rc: d", b"---\na: b\nc: d\n"],
)
def test_byte_order_mark_and_line_ends_make_no_difference(content):
    assert read(content) == {"a": "b", "c": "d"}


@pytest.mark.threat(
    "S12",
    "28 broken files: tags that run code, anchors, aliases, doubled keys, control characters, other encodings",
)
@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "is empty"),
        (b"# only a comment\n", 1, "is empty"),
        (b"- a\n", 1, "`key: value`"),
        (b"just words", 1, "`key: value`"),
        (b"a: 1\nb: &x 2\n", 2, "anchor"),
        (b"a: 1\nb: *x\n", 2, "`*x`"),
        (b"a: !!str 1", 1, "tag"),
        (b"a: !!python/object/apply:os.system [ls]", 1, "tag"),
        (b"a: 1\nb: 2\na: 3\n", 3, "in line 1 already"),
        (b"a: {x: 1, x: 2}", 1, "`x` was given"),
        (b"a: 1\n? [b]\n: 2\n", 2, "a key must be a word"),
        (b"a: 1\n---\nb: 2\n", 2, "second document"),
        (b"a: b: c", 1, "quotes"),
        (b"a:\n\t- b", 2, "tab"),
        (b"a: @b", 1, "quotes"),
        (b"x: 1\na: 'b\nc: d\n", 2, "never closed"),
        (b"x: 1\na: [b, c\nd: e\n", 2, "not closed"),
        (b"x: 1\na: {b: [1, 2\n", 2, "not closed"),
        (b"a: 1\nb\nc: 2\n", 2, "no `key: value`"),
        (b'a: "\\q"', 1, "single quotes"),
        (b'a: "\\ud800"', 1, "U+D800"),
        (b'a: "\\x07"', 1, "U+0007"),
        (b'a: "\\U00110000"', 1, "names no character"),
        (b"a: 1\nb: \x00", 2, "U+0000"),
        (b"a: 1\nb: \xff", 2, "UTF-8"),
        ("a: b".encode("utf-16"), 1, "UTF-16"),
        (b"\xc2\x85a: *x", 1, "U+0085"),
        ("a: 'x\u2028y'\nb: *c\n".encode(), 2, "`*c`"),
    ],
)
def test_each_fault_names_its_line_and_what_to_do(content, line, words):
    (fault,) = faults_of(content)
    assert fault.startswith(f"a.yaml:{line}: ")
    assert words in fault


def test_faults_that_leave_the_rest_readable_come_together():
    found = faults_of(b"a: &x 1\nb: *x\nc: !t 2\na: 3\n")
    assert [fault.split(":")[1] for fault in found] == ["1", "2", "3", "4"]


def test_a_thousand_faults_are_told_in_fifty_lines_and_a_count():
    found = faults_of(b"a: 1\n" + b"a: 2\n" * 1000)
    assert len(found) == 51
    assert found[-1] == "a.yaml: 950 more faults are not shown; mend these first"


BOMB = b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (i, i, i - 1, i - 1) for i in range(98, 120))


@pytest.mark.threat("S12", "YAML bombs: 200,000 brackets, aliases, 100,000 values, a file of 256 KiB")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: " + b"[" * 200_000, "nested"),
        (b"a: " + b"{a: " * 60_000, "nested"),
        (b"- " * 100_000, "nested"),
        (b"a: [" + b"1," * 100_000 + b"]", "values"),
        (b"a: " + b"x" * MAX_BYTES, "larger"),
        (BOMB, "anchor"),
        (b"%YAML " + b"9" * 5000 + b".1\n---\na: 1", "a.yaml:"),
    ],
)
def test_a_bomb_is_refused_within_seconds(content, words):
    start = time.process_time()
    assert words in faults_of(content)[0]
    assert (
        time.process_time() - start < 5
    )  # about one on a busy machine; unrefused they take minutes, or the process


YAML_PIECES = st.sampled_from(
    [
        *(
            "a",
            "b: ",
            "- ",
            "\n",
            "\n  ",
            "\t",
            '"',
            "'",
            "|\n",
            ">-\n",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&x ",
            "*x",
            "!t ",
        ),
        *(
            "#",
            "? ",
            "%YAML 1.2\n",
            "---\n",
            "...\n",
            "\\u",
            "\\U0011",
            "\ufeff",
            "\x85",
            "\u2028",
            "\r",
            "<<: ",
            "é",
        ),
    ]
)


@given(st.one_of(st.text(), st.lists(YAML_PIECES).map("".join)))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_a_tree_or_faults(text):
    faults = FaultList("a.yaml")
    root = parse(text.encode("utf-8", "surrogatepass"), faults)
    assert root is not None or faults.faults


@pytest.mark.threat("S12", "any bytes as a skill")
@given(st.binary())
@settings(deadline=None)
def test_any_bytes_give_a_tree_or_faults(content):
    faults = FaultList("a.yaml")
    assert parse(content, faults) is not None or faults.faults


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(FileFaults) as found:
        read_bytes(tmp_path / "a.yaml", follow_links=False)
    assert "regular file" in str(found.value.faults[0])


def test_a_link_is_followed_only_where_it_may_be(tmp_path):
    (tmp_path / "real").write_bytes(b"a: 1")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_bytes(tmp_path / "link", follow_links=True) == b"a: 1"
    with pytest.raises(FileFaults):
        read_bytes(tmp_path / "link", follow_links=False)


def test_a_folder_is_no_file_and_an_absent_file_is_told_apart(tmp_path):
    with pytest.raises(FileFaults):
        read_bytes(tmp_path, follow_links=True)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "absent", follow_links=True)


def test_no_more_is_read_than_shows_that_a_file_is_too_large(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * (3 * MAX_BYTES))
    assert len(read_bytes(tmp_path / "a", follow_links=True)) == MAX_BYTES + 1


# The two readers

_PIECES = st.sampled_from([
    *(": ", "- ", "? ", "[", "]", "{", "}", ", ", "\n", "\n  ", "\n    ", " #", "'", '"', "|", ">", "|-\n  ", "&a ", "*a"),
    *("!x ", "%", "@", "\\", "\u2028", "\x85", "é", "😀", "---\n", "\ufeff", "~", "<<", "\t", "a", "key: ", "- {a: b}\n"),
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECES, max_size=25))
def test_what_the_fast_reader_takes_the_other_one_reads_alike(pieces):
    text = yamlfile.decode("".join(["a: b\n", *pieces]).encode(), FaultList("x"))
    if text is None or yamlfile._READ_APART.search(text):
        return
    fast, slow = FaultList("x"), FaultList("x")
    tree = yamlfile._built(text, fast, yaml.CBaseLoader)
    if tree is not None and not fast.found:
        assert yamlfile._built(text, slow, yaml.BaseLoader) == tree
        assert not slow.found


@pytest.mark.parametrize("piece", ["[", "|", "]", "[:", "[ : ", "|>", "[a", "[:\n", "{a: "])
def test_whether_a_file_is_for_the_fast_reader_is_found_in_one_pass(piece):
    assert yamlfile._READ_APART.search(piece * (MAX_BYTES // len(piece))) is None
