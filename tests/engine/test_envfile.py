"""A `.env` file as people write it: a table, and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.envfile import parse
from engine.yamlfile import FaultList

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
SECRET = "xoxb-very-secret"


def faults_of(text: str) -> list[tuple[int | None, str]]:
    faults = FaultList(".env")
    parse(text, faults)
    return [(one.line, one.what) for one in faults.faults]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("  A = b  ", "b"),
        ("export A=b", "b"),
        ("export\tA=b", "b"),
        ("A=b c", "b c"),
        ("A=b # remark", "b"),
        ("A=b#c", "b#c"),
        ("A=# remark", ""),
        ("A=b=c", "b=c"),
        ("A=it's", "it's"),
        ("A='b # c'", "b # c"),
        (r"A='b\n'", r"b\n"),
        ('A="b c"  # remark', "b c"),
        (r'A="b\n\t\"\\\$\d"', 'b\n\t"\\$\\d'),
        ('A=""', ""),
        ("A=${B}", "${B}"),
        ("A=1\nA=2", "2"),
    ],
)
def test_a_value_is_what_a_shell_would_take(line, value):
    faults = FaultList(".env")
    assert (parse(line, faults), faults.faults) == ({"A": value}, ())


@pytest.mark.parametrize(
    "line",
    [
        SECRET,
        f"{SECRET}={SECRET}",
        f"1A={SECRET}",
        f"A B={SECRET}",
        f"export={SECRET} x\nexport A",
        f"={SECRET}",
        f"A='{SECRET}",
        f'A="{SECRET}',
        f'A="{SECRET}\\"',
        f"A='{SECRET}' {SECRET}",
    ],
)
def test_a_malformed_line_is_a_fault_with_its_number_that_never_shows_it(line):
    found = faults_of(f"# remark\n\n{line}")
    assert [number for number, _ in found] == [3 + line.count("\n")]
    assert not any(SECRET in what for _, what in found)


def _quoted(value: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        value = value.replace(plain, escaped)
    return f'"{value}"'


@given(st.dictionaries(NAMES, st.text(max_size=20)))
def test_what_is_written_in_double_quotes_is_read_as_it_was(values):
    text = "\n".join(f"{name}={_quoted(value)}" for name, value in values.items())
    assert parse(text, FaultList(".env")) == values


@given(
    st.lists(st.text(st.characters(exclude_characters="\n"), max_size=20), max_size=40)
)  # no more are told
def test_each_line_is_nothing_a_value_or_a_fault_and_says_so_alone(lines):
    told = {number for number, _ in faults_of("\n".join(lines))}
    for number, line in enumerate(lines, 1):
        values = parse(line, FaultList(".env"))
        is_nothing = not line.strip(" \t") or line.strip(" \t").startswith("#")
        assert len(values) + is_nothing + (number in told) == 1
