"""What people say of answers, as it is kept: verdicts and proposals for teaching. The only SQL about them."""

from collections.abc import Callable, Mapping

from pydantic import TypeAdapter

from engine.database import Database, Row, Statement
from engine.feedback import Answered, KeptProposal, Proposal, ProposalState, Verdict
from engine.forgetting import LATER
from engine.message import Author, Platform, Scope

_INPUTS = TypeAdapter(dict[str, str])

_KEPT = (
    "number, proposed_at, state, decided_by, decided_by_name,"
    " platform, workspace, channel, conversation, author, author_name, skill, inputs, output, source"
)

_TURNS_OF = (
    f"SELECT message_id FROM turns WHERE ((author = ?1 AND message_id NOT IN ({LATER}))"  # noqa: S608 - our own text
    " OR (author != ?1 AND message_id IN (SELECT message_id FROM speakers WHERE author = ?1)))"
    " AND conversation_number IN (SELECT number FROM conversations WHERE platform = ?2 AND workspace = ?3)"
)

FORGET_TURNS = (
    (
        "DELETE FROM ratings WHERE author = ?1 AND message_id IN"  # noqa: S608 - our own text
        " (SELECT message_id FROM turns JOIN conversations ON conversations.number = conversation_number"
        f" WHERE platform = ?2 AND workspace = ?3) AND message_id NOT IN ({LATER})"
    ),
    (
        "UPDATE proposals SET decided_by = '', decided_by_name = ''"  # noqa: S608 - our own text
        f" WHERE decided_by = ?1 AND platform = ?2 AND workspace = ?3 AND source NOT IN ({LATER})"
    ),
    (
        f"DELETE FROM proposals WHERE source IN ({_TURNS_OF})"  # noqa: S608 - our own text
        f" OR (author = ?1 AND platform = ?2 AND workspace = ?3 AND source NOT IN ({LATER}))"
    ),
    f"DELETE FROM turns WHERE message_id IN ({_TURNS_OF}) RETURNING conversation_number, author",  # noqa: S608 - our own text
)
"""Each takes author, platform, workspace and the id of the message that asks for it. A turn takes its ratings with it.

It is an author's when they asked, or when their words were read for it: somebody else's turn goes also when it is read again,
as it may hold what was said before.
"""


class Opinions:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def answered(self, message_id: str) -> Answered | None:
        (rows,) = await self._database.run(
            Statement(
                "SELECT platform, workspace, channel, conversation, author, skill, question, answer, inputs"
                " FROM turns JOIN conversations ON conversations.number = conversation_number WHERE message_id = ?",
                (message_id,),
            )
        )
        return _answered(rows[0]) if rows else None

    async def rate(self, message_id: str, author_id: str, verdict: Verdict) -> None:
        """One verdict a person and answer: the newest counts. An answer that is not kept has none."""
        await self._database.run(
            Statement(
                "INSERT OR REPLACE INTO ratings (message_id, author, verdict, rated_at)"
                " SELECT message_id, ?, ?, ? FROM turns WHERE message_id = ?",
                (author_id, verdict.value, self._clock(), message_id),
            )
        )

    async def ratings(self, message_id: str) -> dict[str, Verdict]:
        """By the id of who gave them."""
        (rows,) = await self._database.run(
            Statement(
                "SELECT author, verdict FROM ratings WHERE message_id = ? ORDER BY rated_at", (message_id,)
            )
        )
        return {str(author): Verdict(str(verdict)) for author, verdict in rows}

    async def propose(self, proposal: Proposal) -> int:
        """The number it is kept under. The same of the same person and source is one proposal while it is open, also after a crash."""
        scope, inputs = proposal.scope, _INPUTS.dump_json(dict(proposal.inputs)).decode()
        same = (
            "platform = ? AND workspace = ? AND author = ? AND skill = ? AND inputs = ? AND output = ?"
            " AND source = ? AND state = 'open'"
        )
        key = (
            *(scope.platform.value, scope.workspace, proposal.author.id),
            *(proposal.skill, inputs, proposal.output, proposal.source),
        )
        _, rows = await self._database.run(
            Statement(
                "INSERT INTO proposals (platform, workspace, channel, conversation, author, author_name, skill, inputs,"  # noqa: S608 - our own text
                " output, source, proposed_at) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
                f" WHERE NOT EXISTS (SELECT 1 FROM proposals WHERE {same})",
                (
                    *(scope.platform.value, scope.workspace, scope.channel, scope.conversation),
                    *(proposal.author.id, proposal.author.name, proposal.skill, inputs),
                    *(proposal.output, proposal.source, self._clock()),
                    *key,
                ),
            ),
            Statement(f"SELECT max(number) FROM proposals WHERE {same}", key),  # noqa: S608 - our own text
        )
        return int(str(rows[0][0]))

    async def proposals(self, skill: str | None = None) -> tuple[Proposal, ...]:
        """Those that nobody has decided, oldest first; of one skill, or of all."""
        return tuple(kept.proposal for kept in await self.open_proposals(skill))

    async def open_proposals(self, skill: str | None = None) -> tuple[KeptProposal, ...]:
        """The same, as they are kept."""
        (rows,) = await self._database.run(
            Statement(
                f"SELECT {_KEPT} FROM proposals WHERE state = 'open' AND (? IS NULL OR skill = ?) ORDER BY number",  # noqa: S608 - our own text
                (skill, skill),
            )
        )
        return tuple(_kept(row) for row in rows)

    async def proposal(self, number: int) -> KeptProposal | None:
        """Whatever its state; None when there is none of that number."""
        (rows,) = await self._database.run(
            Statement(f"SELECT {_KEPT} FROM proposals WHERE number = ?", (number,))  # noqa: S608 - our own text
        )
        return _kept(rows[0]) if rows else None

    async def decide(self, number: int, state: ProposalState, by: Author) -> None:
        """What is decided stays decided."""
        await self._database.run(
            Statement(
                "UPDATE proposals SET state = ?, decided_by = ?, decided_by_name = ?, decided_at = ?"
                " WHERE number = ? AND state = 'open'",
                (state.value, by.id, by.name, self._clock(), number),
            )
        )

    async def edit(self, number: int, inputs: Mapping[str, str], output: str) -> None:
        """Other words for an open one."""
        await self._database.run(
            Statement(
                "UPDATE proposals SET inputs = ?, output = ? WHERE number = ? AND state = 'open'",
                (_INPUTS.dump_json(dict(inputs)).decode(), output, number),
            )
        )


def _answered(row: Row) -> Answered:
    *where, author_id, skill, question, answer, inputs = map(str, row)
    return Answered(skill, question, answer, _INPUTS.validate_json(inputs), _scope(where), author_id)


def _kept(row: Row) -> KeptProposal:
    number, proposed_at, state, decided_by, decided_by_name, *rest = row
    return KeptProposal(
        int(str(number)),
        float(str(proposed_at)),
        ProposalState(str(state)),
        Author(str(decided_by), str(decided_by_name)),
        _proposal(tuple(rest)),
    )


def _proposal(row: Row) -> Proposal:
    *where, author_id, name, skill, inputs, output, source = map(str, row)
    return Proposal(
        skill, _INPUTS.validate_json(inputs), output, Author(author_id, name), _scope(where), source
    )


def _scope(parts: list[str]) -> Scope:
    platform, workspace, channel, conversation = parts
    return Scope(Platform(platform), workspace, channel, conversation)
