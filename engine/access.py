"""Who is let in by a list of ids. Knows no file, no skill and no store; a display name decides nothing."""

from dataclasses import dataclass
from enum import StrEnum

from engine.message import Author, Scope

EVERYBODY = "everybody"
GUESTS = "guests"
FOREIGN = "foreign"
WORDS = (EVERYBODY, GUESTS, FOREIGN)


class Right(StrEnum):
    USE = "use"
    TEACH = "teach"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Access:
    """Each right's ids and words; None is what the house says, where a skill says nothing of its own."""

    use: tuple[str, ...] | None = None
    teach: tuple[str, ...] | None = None
    admin: tuple[str, ...] | None = None

    def named(self, right: Right) -> tuple[str, ...] | None:
        match right:
            case Right.USE:
                return self.use
            case Right.TEACH:
                return self.teach
            case Right.ADMIN:
                return self.admin


AS_THE_HOUSE_SAYS = Access()


def admits(named: tuple[str, ...], author: Author, scope: Scope) -> bool:
    """Whether `named` lets this author in, here.

    A person is named by their id or that of a group of theirs. Everybody, a channel and a workspace stand for its members:
    guests and people of other workspaces are let in by their own ids or words only.
    """
    if author.id in named or any(group in named for group in author.groups):
        return True
    if author.is_foreign or author.is_guest:
        return (FOREIGN if author.is_foreign else GUESTS) in named
    return EVERYBODY in named or scope.channel in named or scope.workspace in named
