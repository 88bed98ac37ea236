"""The JSON of an answer that is cut out of a message, all of it or a part: what its fields are, and how one says that it is not there.

Knows no model.
"""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum

from jsonschema import Draft202012Validator

from engine.jsontree import Schema, compact, listing, mapping
from engine.skill import Example, JsonValue, Skill


class Absence(StrEnum):
    """What stands for a value that is not in the message."""

    LEFT_OUT = "left out"
    EMPTY = "empty"
    NULL = "null"
    IMPOSSIBLE = "impossible"


_WRITTEN: dict[Absence, JsonValue] = {Absence.EMPTY: "", Absence.NULL: None}


class Record:
    """The fields of a skill that are parts of the message, numbered in the order of its schema."""

    def __init__(self, skill: Skill) -> None:
        """`skill` has `spans`. What its examples write for a missing value is what answers write."""
        schema: Schema = json.loads(skill.output_schema or "{}")
        properties = mapping(schema.get("properties", {}))
        outputs = [values_of(one) for one in skill.examples]
        required = listing(schema.get("required", []))
        self._schema, self._order = schema, tuple(properties)
        self.names = tuple(name for name in properties if name in skill.spans)
        self._checks = [Draft202012Validator(mapping(properties[name])) for name in self.names]
        self._absences = [
            self._absence(number, is_required=name in required, outputs=outputs)
            for number, name in enumerate(self.names)
        ]

    @property
    def unfailing(self) -> frozenset[int]:
        """The fields that no answer is without."""
        return frozenset(number for number, one in enumerate(self._absences) if one is Absence.IMPOSSIBLE)

    def values(self, example: Example) -> dict[int, str]:
        """What an example says is in its text, by field."""
        given = values_of(example)
        found = {number: given.get(name) for number, name in enumerate(self.names)}
        return {number: value for number, value in found.items() if isinstance(value, str) and value.strip()}

    def written(self, values: Mapping[int, str]) -> str:
        """The answer. A value that the schema refuses counts as missing."""
        return compact(self._answer(values))

    def fixed(self, values: Mapping[int, str]) -> str:
        """The schema of answers that have these values: what is left to be written are the other fields.

        A value that is missing, and that no answer may be without, is left to be written too.
        """
        answer, properties = self._answer(values), dict(mapping(self._schema["properties"]))
        left_out = {name for name in self.names if name not in answer and not self._is_unfailing(name)}
        for name in left_out:
            del properties[name]
        fixed = {name: {"const": answer[name]} if name in answer else one for name, one in properties.items()}
        return compact({**self._schema, "properties": fixed})

    def filled(self, values: Mapping[int, str], written: str) -> str:
        """The answer whose other fields stand in `written`; just that, where it is no whole answer."""
        try:
            others = mapping(json.loads(written))
        except ValueError:
            return written
        answer = {**others, **self._answer(values)}
        order = (*self._order, *(name for name in answer if name not in self._order))
        return compact({name: answer[name] for name in order if name in answer})

    def _is_unfailing(self, name: str) -> bool:
        return self._absences[self.names.index(name)] is Absence.IMPOSSIBLE

    def _answer(self, values: Mapping[int, str]) -> dict[str, JsonValue]:
        answer: dict[str, JsonValue] = {}
        for number, name in enumerate(self.names):
            absence = self._absences[number]
            value = values.get(number)
            if value is not None and self._checks[number].is_valid(value):
                answer[name] = value
            elif absence in _WRITTEN:
                answer[name] = _WRITTEN[absence]
        return answer

    def _absence(
        self, number: int, *, is_required: bool, outputs: Sequence[Mapping[str, JsonValue]]
    ) -> Absence:
        """Of what the schema takes, what most examples write; where none says it, the plainest."""
        check, name = self._checks[number], self.names[number]
        allowed = [
            *(() if is_required else (Absence.LEFT_OUT,)),
            *(one for one in (Absence.NULL, Absence.EMPTY) if check.is_valid(_WRITTEN[one])),
        ]
        shown = [_absence_in(one, name) for one in outputs]
        return max(allowed, key=shown.count, default=Absence.IMPOSSIBLE)


def values_of(example: Example) -> Mapping[str, JsonValue]:
    try:
        return mapping(json.loads(example.output))
    except ValueError:
        return {}


def _absence_in(output: Mapping[str, JsonValue], name: str) -> Absence | None:
    if name not in output:
        return Absence.LEFT_OUT
    value = output[name]
    if value is None:
        return Absence.NULL
    return Absence.EMPTY if isinstance(value, str) and not value.strip() else None
