"""The answers to a skill's trials, as they are kept by model. The only SQL about them; no word of an example stands in it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.database import Database, Row, Statement
from engine.identity import ModelIdentity


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was said to an item. `fingerprint` is of all that decided it but the model, `version` that of the skill's file."""

    item: str
    fingerprint: str
    said: str
    probability: float | None
    is_unsure: bool
    version: str = ""


class TrialStore:
    """The newest answer to each item of each skill, one a model."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, skill: str, model: ModelIdentity, answers: Iterable[KeptAnswer]) -> None:
        await self._database.run(
            *(
                Statement(
                    "INSERT OR REPLACE INTO trials (skill, item, model_sha256, embedding_sha256, model, version, fingerprint, said,"
                    " probability, is_unsure, answered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(skill, one.item, model.sha256, model.embedding_sha256, model.name, one.version),
                        *(one.fingerprint, one.said, one.probability, int(one.is_unsure), self._clock()),
                    ),
                )
                for one in answers
            )
        )

    async def of(self, skill: str, model: ModelIdentity) -> Mapping[str, KeptAnswer]:
        """By item."""
        (rows,) = await self._database.run(
            Statement(
                "SELECT item, fingerprint, said, probability, is_unsure, version FROM trials"
                " WHERE skill = ? AND model_sha256 = ? AND embedding_sha256 = ?",
                (skill, model.sha256, model.embedding_sha256),
            )
        )
        return {one.item: one for one in map(_answer, rows)}

    async def models(self, skill: str) -> tuple[ModelIdentity, ...]:
        """Those that the skill was measured with, the newest first."""
        (rows,) = await self._database.run(
            Statement(
                "SELECT model, model_sha256, embedding_sha256 FROM trials WHERE skill = ?"
                " GROUP BY model_sha256, embedding_sha256 ORDER BY max(answered_at) DESC, model_sha256",
                (skill,),
            )
        )
        return tuple(ModelIdentity(*map(str, row)) for row in rows)

    async def only(self, skill: str, items: Iterable[str]) -> None:
        """Lets go of what was said to items that the skill has no more."""
        kept = tuple(items)
        marks = ", ".join("?" * len(kept))
        await self._database.run(
            Statement(f"DELETE FROM trials WHERE skill = ? AND item NOT IN ({marks})", (skill, *kept))  # noqa: S608 - marks alone
        )


def _answer(row: Row) -> KeptAnswer:
    item, fingerprint, said, probability, is_unsure, version = row
    return KeptAnswer(
        *(str(item), str(fingerprint), str(said)),
        None if probability is None else float(probability),
        bool(is_unsure),
        str(version),
    )
