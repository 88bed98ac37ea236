"""Who somebody is: asked once, and nobody is let in because Slack did not answer."""

import asyncio
from collections.abc import Callable

import pytest

from bots.slack_api import ApiFailed, Payload, Upload
from bots.slack_events import Identity
from bots.slack_people import REMEMBERED_SECONDS, People
from engine import Author, JsonValue

ME = Identity("T1", "UBOT")
ADA = Author("U1", "U1")


class FakeApi:
    """Answers from a table; `fault` is raised instead."""

    def __init__(self, users: dict[str, dict[str, JsonValue]] | None = None) -> None:
        self.calls: list[str] = []
        self.fault: ApiFailed | None = None
        self.groups: list[JsonValue] = []
        self._users = users or {}

    async def call(self, method: str, **arguments: JsonValue) -> Payload:
        self.calls.append(method)
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        if method == "usergroups.list":
            return {"usergroups": self.groups}
        return {"user": self._users.get(str(arguments["user"]), {})}

    async def upload(self, upload: Upload) -> None:
        raise NotImplementedError

    async def download(self, url: str, max_bytes: int) -> bytes:
        raise NotImplementedError


def people(api: FakeApi, clock: Callable[[], float] = lambda: 0.0) -> People:
    return People(api, ME, clock)


async def test_name_groups_and_guests_are_told() -> None:
    api = FakeApi({"U1": {"profile": {"display_name": "Ada"}, "is_ultra_restricted": True, "team_id": "T1"}})
    api.groups = [{"id": "S1", "users": ["U1", "U2"]}, {"id": "S2", "users": ["U1"]}, {"id": "S3"}]
    assert await people(api).known(ADA) == Author("U1", "Ada", ("S1", "S2"), is_guest=True)


async def test_who_belongs_to_another_workspace_is_foreign_by_what_slack_says() -> None:
    api = FakeApi({"U1": {"name": "ada", "team_id": "T9"}})
    known = await people(api).known(ADA)
    assert (known.is_foreign, known.groups) == (True, ("T9",))


async def test_a_member_of_several_workspaces_of_an_organisation_is_not_foreign_in_any() -> None:
    api = FakeApi({"U1": {"name": "ada", "team_id": "T9", "enterprise_user": {"teams": ["T9", "T1"]}}})
    elsewhere = Author("U1", "U1", groups=("T9",), is_foreign=True)
    assert await people(api).known(elsewhere) == Author("U1", "ada")


async def test_each_is_asked_once_for_a_while_however_many_come_at_once() -> None:
    api, now = FakeApi(), 0.0
    asked = people(api, lambda: now)
    await asyncio.gather(*(asked.known(Author(f"U{number}", "")) for number in range(20)))
    await asyncio.gather(*(asked.known(Author(f"U{number}", "")) for number in range(20)))
    assert api.calls.count("usergroups.list") == 1
    assert api.calls.count("users.info") == 20
    now = REMEMBERED_SECONDS + 1
    await asked.known(ADA)
    assert api.calls.count("usergroups.list") == 2


@pytest.mark.threat("S4", "Slack does not say who somebody is")
@pytest.mark.parametrize("fault", [ApiFailed("ratelimited", 429), ApiFailed("", is_unsent=True)])
async def test_who_cannot_be_looked_up_is_taken_for_a_guest_until_slack_answers(fault: ApiFailed) -> None:
    api = FakeApi({"U1": {"name": "ada", "team_id": "T1"}})
    asked = people(api)
    api.fault = fault
    assert (await asked.known(ADA)).is_guest
    api.fault = None
    assert not (await asked.known(ADA)).is_guest


async def test_without_the_scope_nobody_is_a_guest_and_slack_is_not_asked_again() -> None:
    api = FakeApi()
    asked = people(api)
    api.fault = ApiFailed("missing_scope", 200)
    for _ in range(3):
        assert await asked.known(ADA) == ADA
    assert sorted(api.calls) == ["usergroups.list", "users.info"]
    assert await asked.name("U1") == "U1"
