"""Rights are those of the settings and of the skill, in the place where they are asked for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access import Access, Right
from engine.configschema import AccessConfig, ChannelConfig
from engine.errors import NotAllowed, NotHere
from engine.message import Author, Platform, Scope
from engine.permissions import Permissions
from tests.fakes import FakeSkillbook, make_skill

SCOPE = Scope(Platform.SLACK, "T1", "C1", "1")
ADA, BOB = Author("U1", "Ada", ("S1",)), Author("U2", "Bob")
GUEST = Author("U3", "Guest", is_guest=True)


def permissions(access=None, channels=None, **skills):
    book = FakeSkillbook(*(make_skill(name, access=own) for name, own in skills.items()))
    return Permissions(access or AccessConfig(), channels or {}, "chat", book)


def test_without_settings_every_member_may_use_and_teach_and_nobody_is_an_admin():
    found = permissions(chat=Access())
    for author in (ADA, BOB):
        assert found.may(author, SCOPE, Right.USE, "chat")
        assert found.may(author, SCOPE, Right.TEACH, "chat")
        assert not found.may(author, SCOPE, Right.ADMIN)
    assert not any(found.may(GUEST, SCOPE, right, "chat") for right in Right)


def test_a_skill_may_say_otherwise_for_itself():
    found = permissions(
        AccessConfig(use=("U1",)),
        open=Access(use=("everybody", "guests")),
        shut=Access(use=()),
        plain=Access(),
    )
    assert [found.may(BOB, SCOPE, Right.USE, name) for name in ("open", "shut", "plain", None)] == [
        True,
        False,
        False,
        False,
    ]
    assert found.may(GUEST, SCOPE, Right.USE, "open")
    assert not found.may(ADA, SCOPE, Right.USE, "shut")


def test_who_may_not_use_a_skill_may_not_teach_it():
    found = permissions(AccessConfig(teach=("everybody",)), own=Access(use=("U1",)))
    assert found.may(ADA, SCOPE, Right.TEACH, "own")
    assert not found.may(BOB, SCOPE, Right.TEACH, "own")


def test_an_admin_may_everything_and_that_of_a_skill_everything_with_it():
    found = permissions(
        AccessConfig(use=(), teach=(), admin=("U1",)), one=Access(admin=("U2",)), other=Access(use=())
    )
    assert all(found.may(ADA, SCOPE, right, name) for right in Right for name in ("one", "other", None))
    assert all(found.may(BOB, SCOPE, right, "one") for right in Right)
    assert not any(found.may(BOB, SCOPE, right, name) for right in Right for name in ("other", None))


@given(st.sampled_from(Right), st.sampled_from(["chat", "shut", None, "gone"]))
def test_the_terminal_belongs_to_whoever_runs_the_bot(right, skill):
    found = permissions(AccessConfig(use=(), teach=()), chat=Access(), shut=Access(use=()))
    assert found.may(ADA, replace(SCOPE, platform=Platform.TERMINAL), right, skill)


IDS = st.lists(
    st.sampled_from(["U1", "U2", "U3", "S1", "C1", "T1", "everybody", "guests"]), max_size=3, unique=True
).map(tuple)


@given(
    use=IDS, teach=IDS, admin=IDS, own=st.one_of(st.none(), IDS), author=st.sampled_from([ADA, BOB, GUEST])
)
def test_nothing_is_allowed_to_somebody_who_stands_in_no_list(use, teach, admin, own, author):
    found = permissions(AccessConfig(use=use, teach=teach, admin=admin), chat=Access(use=own))
    own_words = {author.id, *author.groups, *(("guests",) if author.is_guest else ("everybody", "C1", "T1"))}
    for right in Right:
        if found.may(author, SCOPE, right, "chat"):
            assert own_words & {*use, *teach, *admin, *(own or ())}


def test_a_channel_has_its_default_skill_and_its_skills():
    channels = {
        "C1": ChannelConfig(default_skill="triage", skills=("triage",)),
        "C2": ChannelConfig(skills=()),
    }
    found = permissions(None, channels, chat=Access(), triage=Access(), shut=Access(use=()))
    elsewhere = replace(SCOPE, channel="C9")
    assert (found.default_skill(SCOPE), found.default_skill(elsewhere)) == ("triage", "chat")
    assert [skill.name for skill in found.skills_for(ADA, SCOPE)] == ["triage"]
    assert [skill.name for skill in found.skills_for(ADA, elsewhere)] == ["chat", "triage"]
    assert found.skills_for(ADA, replace(SCOPE, channel="C2")) == ()
    with pytest.raises(NotHere):
        found.require(ADA, SCOPE, Right.USE, "chat")
    with pytest.raises(NotAllowed):
        found.require(ADA, SCOPE, Right.USE, "shut")
    found.require(ADA, SCOPE, Right.USE, "triage")


def test_a_skill_that_changes_changes_the_rights_at_once():
    book = FakeSkillbook(make_skill("chat"))
    found = Permissions(AccessConfig(), {}, "chat", book)
    assert found.may(BOB, SCOPE, Right.USE, "chat")
    book.put(make_skill("chat", access=Access(use=("U1",))))
    assert not found.may(BOB, SCOPE, Right.USE, "chat")
