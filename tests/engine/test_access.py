"""Nobody comes in who is not named, and a display name names nobody."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from engine.access import EVERYBODY, FOREIGN, GUESTS, admits
from engine.message import Author, Platform, Scope

IDS = st.sampled_from(["U1", "U2", "S1", "S2", "C1", "C2", "T1", "T2", "42", "43"])
WORDS = st.sampled_from([EVERYBODY, GUESTS, FOREIGN])
NAMED = st.lists(st.one_of(IDS, WORDS), max_size=6).map(tuple)
AUTHORS = st.builds(
    Author,
    id=st.sampled_from(["U1", "U2", "U3", "42"]),
    name=st.one_of(IDS, WORDS, st.text(max_size=5)),
    groups=st.lists(st.sampled_from(["S1", "S2", "S3", "43"]), max_size=3).map(tuple),
    is_guest=st.booleans(),
    is_foreign=st.booleans(),
)
SCOPES = st.builds(
    Scope, st.just(Platform.SLACK), st.sampled_from(["T1", "T3"]), st.sampled_from(["C1", "C3"]), st.just("1")
)


def reasons(author: Author, scope: Scope) -> set[str]:
    """Everything that could stand in a list and mean this author, here."""
    own = {author.id, *author.groups}
    if author.is_foreign:
        return own | {FOREIGN}
    return own | ({GUESTS} if author.is_guest else {EVERYBODY, scope.channel, scope.workspace})


@given(NAMED, AUTHORS, SCOPES)
def test_who_is_let_in_is_named(named: tuple[str, ...], author: Author, scope: Scope) -> None:
    assert admits(named, author, scope) == bool(reasons(author, scope) & set(named))


@given(AUTHORS, SCOPES)
def test_an_empty_list_lets_nobody_in(author: Author, scope: Scope) -> None:
    assert not admits((), author, scope)


@given(NAMED, AUTHORS, SCOPES, st.text(max_size=8))
def test_a_display_name_changes_nothing(
    named: tuple[str, ...], author: Author, scope: Scope, name: str
) -> None:
    assert admits(named, author, scope) == admits(named, replace(author, name=name), scope)
    assert admits((*named, name), author, scope) == admits(named, author, scope) or name in reasons(
        author, scope
    )


@given(NAMED, NAMED, AUTHORS, SCOPES)
def test_naming_more_never_shuts_anybody_out(
    named: tuple[str, ...], more: tuple[str, ...], author: Author, scope: Scope
) -> None:
    assert admits((*named, *more), author, scope) >= admits(named, author, scope)


@given(NAMED, AUTHORS, SCOPES)
def test_neither_everybody_nor_a_channel_nor_a_workspace_means_a_guest_or_a_stranger(
    named: tuple[str, ...], author: Author, scope: Scope
) -> None:
    assume(author.is_guest or author.is_foreign)
    wide = (EVERYBODY, scope.channel, scope.workspace)
    assert admits((*named, *wide), author, scope) == admits(named, author, scope)
