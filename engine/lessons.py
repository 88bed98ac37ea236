"""Who taught what, where and when, as it is kept. The only SQL about it; what was taught stands in the skills' files."""

from collections.abc import Callable

from engine.database import Database, Row, Statement
from engine.feedback import Lesson
from engine.forgetting import LATER
from engine.message import Author, Platform, Scope

FORGET_LESSONS = (
    (
        "UPDATE lessons SET author = '', author_name = '', source = '', message_id = ''"  # noqa: S608 - our own text
        f" WHERE author = ?1 AND platform = ?2 AND workspace = ?3 AND message_id NOT IN ({LATER})"
    ),
)
"""Takes author, platform, workspace and the id of the message that asks for it: what they taught stays taught, and nobody knows by whom."""


class Lessons:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, lesson: Lesson, undoes: int = 0) -> None:
        """`undoes` is the number of the change that this one took back."""
        scope, author = lesson.scope, lesson.author
        await self._database.run(
            Statement(
                "INSERT INTO lessons (skill, change, num_examples, platform, workspace, channel, conversation, author,"
                " author_name, source, message_id, done_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(lesson.skill, lesson.change, lesson.num_examples),
                    *(scope.platform.value, scope.workspace, scope.channel, scope.conversation),
                    *(author.id, author.name, lesson.source, lesson.message_id, self._clock()),
                ),
            ),
            Statement(
                "UPDATE lessons SET is_undone = 1 WHERE skill = ? AND change = ?", (lesson.skill, undoes)
            ),
        )

    async def num_examples(self, skill: str, author: Author, scope: Scope) -> int:
        """How many this person has taught the skill and nobody took back."""
        (rows,) = await self._database.run(
            Statement(
                "SELECT coalesce(sum(num_examples), 0) FROM lessons WHERE skill = ? AND author = ? AND platform = ?"
                " AND workspace = ? AND is_undone = 0",
                (skill, author.id, scope.platform.value, scope.workspace),
            )
        )
        return int(str(rows[0][0]))

    async def newest_skill(self, scope: Scope) -> str | None:
        """That of the newest example taught in this workspace and not taken back; None: there is none."""
        (rows,) = await self._database.run(
            Statement(
                "SELECT skill FROM lessons WHERE platform = ? AND workspace = ? AND is_undone = 0 AND num_examples > 0"
                " ORDER BY number DESC LIMIT 1",
                (scope.platform.value, scope.workspace),
            )
        )
        return str(rows[0][0]) if rows else None

    async def of(self, skill: str) -> tuple[Lesson, ...]:
        """Oldest first."""
        return await self._found("skill = ?", skill)

    async def made_by(self, message_id: str) -> Lesson | None:
        """What this message has changed already, before a restart; None: nothing."""
        found = await self._found("message_id = ?", message_id)
        return found[0] if found else None

    async def _found(self, condition: str, value: str) -> tuple[Lesson, ...]:
        (rows,) = await self._database.run(
            Statement(
                "SELECT skill, change, num_examples, platform, workspace, channel, conversation, author, author_name,"  # noqa: S608 - our own text
                f" source, message_id, done_at, is_undone FROM lessons WHERE {condition} ORDER BY number",
                (value,),
            )
        )
        return tuple(_lesson(row) for row in rows)


def _lesson(row: Row) -> Lesson:
    skill, change, num_examples, platform, workspace, channel, conversation, *rest = map(str, row)
    author, author_name, source, message_id, done_at, is_undone = rest
    return Lesson(
        skill=skill,
        change=int(change),
        num_examples=int(num_examples),
        scope=Scope(Platform(platform), workspace, channel, conversation),
        author=Author(author, author_name),
        source=source,
        message_id=message_id,
        done_at=float(done_at),
        is_undone=is_undone == "1",
    )
