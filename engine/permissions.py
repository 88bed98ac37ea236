"""Who may do what where, and which skills a channel has. Knows the settings and the skills; no platform and no store."""

from collections.abc import Mapping

from engine.access import Access, Right, admits
from engine.configschema import AccessConfig, ChannelConfig
from engine.errors import NotAllowed, NotHere
from engine.message import Author, Platform, Scope
from engine.skill import Skill
from engine.skillbook import Skillbook

_NO_RULES = ChannelConfig()


class Permissions:
    """Asked at each call: a skill or a person may have changed since the last one."""

    def __init__(
        self,
        access: AccessConfig,
        channels: Mapping[str, ChannelConfig],
        default_skill: str,
        skillbook: Skillbook,
    ) -> None:
        self._access = Access(access.use, access.teach, access.admin)
        self._channels = channels
        self._default_skill = default_skill
        self._skillbook = skillbook

    def may(self, author: Author, scope: Scope, right: Right, skill_name: str | None = None) -> bool:
        """Who may not use a skill may not teach it either; an admin may everything, another bot may ask and no more.

        The terminal is the person's who runs the bot.
        """
        if scope.platform is Platform.TERMINAL:
            return True
        if author.is_bot and right is not Right.USE:
            return False
        own = self._access_of(skill_name)
        if self._has(author, scope, Right.ADMIN, Access()) or self._has(author, scope, Right.ADMIN, own):
            return True
        needed = {Right.USE: (Right.USE,), Right.TEACH: (Right.USE, Right.TEACH), Right.ADMIN: (Right.ADMIN,)}
        return all(self._has(author, scope, one, own) for one in needed[right])

    def require(self, author: Author, scope: Scope, right: Right, skill_name: str | None = None) -> None:
        """Raises:
        NotAllowed: this person may not.
        NotHere: nobody may use this skill in this channel.
        """
        if not self.may(author, scope, right, skill_name):
            raise NotAllowed(right, skill_name)
        if skill_name is not None and not self._is_here(skill_name, scope):
            raise NotHere(skill_name)

    def default_skill(self, scope: Scope) -> str:
        """Answers without a command."""
        return self._rules(scope).default_skill or self._default_skill

    def skills_for(self, author: Author, scope: Scope) -> tuple[Skill, ...]:
        """Those that this author may use here, ordered by name."""
        return tuple(
            skill
            for skill in self._skillbook.skills
            if self._is_here(skill.name, scope) and self.may(author, scope, Right.USE, skill.name)
        )

    def _access_of(self, skill_name: str | None) -> Access:
        skill = None if skill_name is None else self._skillbook.get(skill_name)
        return Access() if skill is None else skill.access

    def _has(self, author: Author, scope: Scope, right: Right, own: Access) -> bool:
        named = own.named(right)
        return admits((self._access.named(right) or ()) if named is None else named, author, scope)

    def _is_here(self, skill_name: str, scope: Scope) -> bool:
        skills = self._rules(scope).skills
        return skills is None or skill_name in skills

    def _rules(self, scope: Scope) -> ChannelConfig:
        return self._channels.get(scope.channel, _NO_RULES)
