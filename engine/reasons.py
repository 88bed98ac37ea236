"""Why answers were chosen, as it is kept: with the turn, and gone with it. The only SQL about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from engine.database import Database, Row, Statement
from engine.message import Platform, Scope
from engine.why import Kin, Reason

NUM_LOOKED_AT = 500  # of a channel's newest answers: what was asked long ago says little about tomorrow

_KIN = TypeAdapter(tuple[Kin, ...])
_INPUTS = TypeAdapter(dict[str, str])

_ANSWER = (
    "SELECT turns.message_id, skill, platform, workspace, channel, conversation, label, probability, is_unsure, method,"
    " neighbours FROM turns JOIN conversations ON conversations.number = conversation_number"
    " LEFT JOIN reasons ON reasons.message_id = turns.message_id"
)


@dataclass(frozen=True, slots=True)
class Explained:
    """An answer, and its reason where it has one."""

    message_id: str
    skill: str
    scope: Scope
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A message, and the answer to it of which little was sure. `probability` is between 0 and 1."""

    skill: str
    inputs: Mapping[str, str]
    label: str
    probability: float


class Reasons:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_message(self, message_id: str) -> Explained | None:
        """None: it was not answered, or that is forgotten."""
        return await self._found("turns.message_id = ?", message_id)

    async def newest(self, scope: Scope) -> Explained | None:
        """Of the last answer in this conversation."""
        where = "platform = ? AND workspace = ? AND channel = ? AND conversation = ?"
        parts = (scope.platform.value, scope.workspace, scope.channel, scope.conversation)
        return await self._found(where, *parts)

    async def least_sure(self, scope: Scope) -> tuple[Doubtful, ...]:
        """Of the newest answers in this channel, whose conversation it may be, the least sure first.

        Without those that somebody has said something of: they are good, or what is right is proposed.
        """
        (rows,) = await self._database.run(
            Statement(
                "SELECT skill, inputs, label, probability FROM (SELECT turns.number, message_id, skill, inputs FROM turns"
                " JOIN conversations ON conversations.number = conversation_number"
                " WHERE platform = ? AND workspace = ? AND channel = ? ORDER BY turns.number DESC LIMIT ?) AS newest"
                " JOIN reasons USING (message_id) WHERE probability IS NOT NULL"
                " AND message_id NOT IN (SELECT message_id FROM ratings)"
                " AND message_id NOT IN (SELECT source FROM proposals)"
                " ORDER BY probability, newest.number DESC",
                (scope.platform.value, scope.workspace, scope.channel, NUM_LOOKED_AT),
            )
        )
        return tuple(
            Doubtful(str(skill), _INPUTS.validate_json(str(inputs)), str(label), float(str(probability)))
            for skill, inputs, label, probability in rows
        )

    async def _found(self, condition: str, *values: str) -> Explained | None:
        (rows,) = await self._database.run(
            Statement(f"{_ANSWER} WHERE {condition} ORDER BY turns.number DESC LIMIT 1", values)
        )
        return _explained(rows[0]) if rows else None


def keeping(message_id: str, reason: Reason) -> Statement:
    """For the transaction that keeps the turn; without a turn nothing is kept."""
    return Statement(
        "INSERT OR REPLACE INTO reasons (message_id, label, probability, is_unsure, method, neighbours)"
        " SELECT message_id, ?, ?, ?, ?, ? FROM turns WHERE message_id = ?",
        (
            *(reason.label, reason.probability, int(reason.is_unsure), reason.method),
            _KIN.dump_json(reason.kin).decode(),
            message_id,
        ),
    )


def _explained(row: Row) -> Explained:
    message_id, skill, platform, workspace, channel, conversation, label, *rest = row
    scope = Scope(Platform(str(platform)), str(workspace), str(channel), str(conversation))
    reason = None if label is None else _reason(str(label), tuple(rest))
    return Explained(str(message_id), str(skill), scope, reason)


def _reason(label: str, rest: Row) -> Reason:
    probability, is_unsure, method, kin = rest
    share = None if probability is None else float(str(probability))
    return Reason(label, share, bool(is_unsure), str(method), _KIN.validate_json(str(kin)))
