"""What Slack knows of the people who write: their names, guests, user groups. Knows no SDK and no engine's work."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from bots.slack_api import Api, ApiFailed, Payload
from bots.slack_events import Identity
from engine import Author

REMEMBERED_SECONDS = 600.0
MAX_REMEMBERED = 5000
LOOK_UP_SECONDS = 1.5  # a message is to be acknowledged within three

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    is_guest: bool
    teams: tuple[str, ...]
    seen_at: float


class People:
    """Without the scopes `users:read` and `usergroups:read` there are no names, guests and groups: it is said once.

    While Slack does not answer, who is not known is taken for a guest, so that nobody is let in by a failure.
    """

    def __init__(self, api: Api, identity: Identity, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._identity = identity
        self._clock = clock
        self._people: dict[str, _Person] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._groups_at: float | None = None
        self._asking = asyncio.Lock()
        self._being_asked: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._told: set[str] = set()

    async def known(self, author: Author) -> Author:
        """The author with what Slack knows besides. Never raises."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                person, groups = await asyncio.gather(self._person(author.id), self._groups_of(author.id))
        except (TimeoutError, ApiFailed) as error:
            _log.warning("Slack did not say who %s is: %s", author.id, error or type(error).__name__)
            return replace(author, is_guest=True)
        if person is None:
            return replace(author, groups=author.groups + groups)
        here = self._identity.team
        is_foreign = author.is_foreign if not person.teams else here not in person.teams
        teams = dict.fromkeys((*author.groups, *person.teams)) if is_foreign else ()
        return Author(
            author.id,
            person.name,
            groups=(*teams, *groups),
            is_guest=person.is_guest,
            is_foreign=is_foreign,
        )

    async def name(self, user: str) -> str:
        """For reading; the id where Slack does not tell. Never raises."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                person = await self._person(user)
        except (TimeoutError, ApiFailed):
            return user
        return user if person is None else person.name

    async def _person(self, user: str) -> _Person | None:
        """None: this may not be asked."""
        asking = self._being_asked.setdefault(user, asyncio.Lock())
        async with asking:  # who writes ten times at once is looked up once
            return self._remembered(user) or await self._looked_up(user)

    async def _looked_up(self, user: str) -> _Person | None:
        told = await self._asked("users.info", user=user)
        if told is None:
            return None
        if len(self._people) >= MAX_REMEMBERED:
            self._people.clear()
        self._people[user] = person = _read_person(user, told.get("user"), self._clock())
        return person

    def _remembered(self, user: str) -> _Person | None:
        known = self._people.get(user)
        is_new = known is not None and self._clock() - known.seen_at < REMEMBERED_SECONDS
        return known if is_new else None

    async def _groups_of(self, user: str) -> tuple[str, ...]:
        async with self._asking:  # all who come at once need one answer
            now = self._clock()
            if self._groups_at is None or now - self._groups_at >= REMEMBERED_SECONDS:
                told = await self._asked("usergroups.list", include_users=True)
                self._groups = {} if told is None else _read_groups(told.get("usergroups"))
                self._groups_at = now
        return self._groups.get(user, ())

    async def _asked(self, method: str, **arguments: str | bool) -> Payload | None:
        if method in self._told:
            return None
        try:
            return await self._api.call(method, **arguments)
        except ApiFailed as error:
            if error.code not in ("missing_scope", "plan_upgrade_required"):
                raise
            self._told.add(method)
            _log.warning(
                "Slack does not let the app call %s (%s): guests or user groups cannot be told apart.",
                method,
                error.code,
            )
            return None


def _read_person(user: str, told: object, now: float) -> _Person:
    known = told if isinstance(told, Mapping) else {}
    profile = known.get("profile")
    shown = profile.get("display_name") or profile.get("real_name") if isinstance(profile, Mapping) else ""
    is_guest = bool(known.get("is_restricted") or known.get("is_ultra_restricted"))
    name = str(shown or known.get("real_name") or known.get("name") or user)
    return _Person(name, is_guest, _teams(known), now)


def _teams(known: Mapping[str, object]) -> tuple[str, ...]:
    """The workspaces that somebody is a member of: in an organisation they may be many."""
    organisation = known.get("enterprise_user")
    others = organisation.get("teams") if isinstance(organisation, Mapping) else ()
    named = (known.get("team_id"), *(others if isinstance(others, list) else ()))
    return tuple(dict.fromkeys(str(one) for one in named if one))


def _read_groups(told: object) -> dict[str, tuple[str, ...]]:
    """The groups of each member."""
    found: dict[str, tuple[str, ...]] = {}
    for group in told if isinstance(told, list) else []:
        for user in group.get("users") or ():
            found[user] = (*found.get(user, ()), str(group["id"]))
    return found
