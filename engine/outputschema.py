"""A skill's `output`: a JSON Schema that decoding can enforce, and the JSON that examples give for it. Knows no file."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from engine.jsontree import Schema, compact, fitting, json_of, listing, mapping, ordered
from engine.patterns import check_pattern
from engine.shape import Location, line_of, named
from engine.skill import JsonValue
from engine.ways import PatternFault
from engine.yamlfile import FaultList, MapNode, Node, shown

MAX_SCHEMA_CHARACTERS = 16_000
MAX_SCHEMA_PARTS = 500  # once every `$ref` is written out
MAX_REPETITIONS = 1000  # llama.cpp does not read a grammar with many more that may be left out
MAX_SHOWN_ERRORS = 5

# What a grammar can hold an answer to. Any other keyword would be a promise that is not kept.
_ENFORCED = {
    *("type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems"),
    *("enum", "const", "anyOf", "minLength", "maxLength", "pattern", "format"),
}
_REMARKS = {"title", "description", "default", "examples", "$comment", "$schema"}
_REFERENCES = {"$ref", "$defs", "definitions"}
_SPAN = "span"  # ours, not JSON Schema's
_FORMATS = {"date", "time", "date-time", "uuid"}
_WORDS = {
    "is not valid under any of the given schemas": "is none of what is allowed",
    "Additional properties are not allowed": "a key that the schema lacks",
}
_TYPES = "array, boolean, integer, null, number, object, string"
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength")


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """`schema` has no `$ref` and one type a place: what was checked is what is enforced.

    `spans` names the properties that are marked `span: true`: each is a part of the message, or not there.
    """

    schema: Schema
    spans: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return compact(self.schema)

    @property
    def has_other_fields(self) -> bool:
        """Whether an answer that has spans has other fields beside them."""
        return bool(self.spans) and set(self.spans) != set(mapping(self.schema.get("properties", {})))

    def answer(self, node: Node, where: Location, faults: FaultList) -> str | None:
        """An example's output as canonical JSON: compact, its keys in the schema's order. None when it does not fit."""
        value = fitting(node, (self.schema,))
        errors = sorted(Draft202012Validator(self.schema).iter_errors(value), key=_where)
        for error in errors[:MAX_SHOWN_ERRORS]:
            at = tuple(error.absolute_path)
            faults.add(
                line_of(node, at),
                f"{named((*where, *at))} does not fit the skill's `output`: {_reason(error)}",
            )
        return None if errors else compact(ordered(value, (self.schema,)))


def read_output_schema(node: MapNode, faults: FaultList) -> OutputSchema | None:
    """The schema, or None after every fault of it was added."""
    value = json_of(node)
    if not isinstance(value, dict):
        return None
    found = FaultList(faults.path)
    if len(compact(value)) > MAX_SCHEMA_CHARACTERS:
        found.add(node.line, f"`output` has more than {MAX_SCHEMA_CHARACTERS} characters; make it smaller")
    for at, pattern in _patterns(value, ()):
        try:
            check_pattern(pattern)
        except PatternFault as fault:
            found.add(line_of(node, at), f"{named(('output', *at))} {fault}")
    if found.found:  # Python's own reader of patterns is not shown such
        faults.extend(found)
        return None
    for error in _errors_of_schema(value):
        at = tuple(error.absolute_path)
        found.add(line_of(node, at), f"{named(('output', *at))} is no JSON Schema: {_reason(error)}")
    writer = _Writer(node, value, found)
    if not found.found:
        value = writer.write()
    faults.extend(found)
    return None if found.found else OutputSchema(value, tuple(writer.spans))


def _patterns(value: JsonValue, at: Location) -> Iterator[tuple[Location, str]]:
    """All that is called so, also where it is the name of a property: such a one has a schema, not a text."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "pattern" and isinstance(one, str):
                yield (*at, key), one
            else:
                yield from _patterns(one, (*at, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _patterns(one, (*at, index))


def _errors_of_schema(value: Schema) -> list[SchemaError | ValidationError]:
    errors = Draft202012Validator(
        Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
    ).iter_errors(value)
    return sorted(errors, key=_where)[:MAX_SHOWN_ERRORS]


def _where(error: SchemaError | ValidationError) -> str:
    return str(list(error.absolute_path))


def _reason(error: SchemaError | ValidationError) -> str:
    message = error.message
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    is_type = list(error.absolute_path)[-1:] == ["type"]
    return shown(message) + (f"; the types are {_TYPES}" if is_type else "")


class _Writer:
    """Writes a schema out in full: each `$ref` replaced by what it names, each list of types by `anyOf`."""

    def __init__(self, node: MapNode, root: Schema, faults: FaultList) -> None:
        self._node = node
        self._root = root
        self._faults = faults
        self._num_parts = 0
        self.spans: list[str] = []
        self._followed: list[str] = []  # the references that lead to where writing is now

    def write(self) -> Schema:
        try:
            return self._schema(self._root, ())
        except _TooLarge:
            self._fail((), "is too large with its `$ref`s written out; make it smaller")
            return {}

    def _fail(self, at: Location, what: str) -> None:
        self._faults.add(line_of(self._node, at), f"{named(('output', *at))} {what}")

    def _schema(self, schema: JsonValue, at: Location) -> Schema:
        self._num_parts += 1
        if self._num_parts > MAX_SCHEMA_PARTS:
            raise _TooLarge
        if not isinstance(schema, dict):
            self._fail(at, "must be a schema, as in `{type: string}`")
            return {}
        if _SPAN in schema:
            schema = self._marked(schema, at)
        if "$ref" in schema:
            return self._referred(schema, at)
        self._check_keywords(schema, at)
        kept = {key: value for key, value in schema.items() if key not in _REFERENCES | {"$schema"}}
        return _one_type_each(self._with_parts(kept, at))

    def _marked(self, schema: Schema, at: Location) -> Schema:
        """Notes what is marked as a part of the message; the mark itself says nothing to a grammar."""
        is_marked, rest = schema[_SPAN], {key: value for key, value in schema.items() if key != _SPAN}
        if not isinstance(is_marked, bool):
            self._fail((*at, _SPAN), "must be true or false")
        elif is_marked and (len(at) != 2 or at[0] != "properties"):
            self._fail((*at, _SPAN), "marks the `properties` of `output` itself only; take it out here")
        elif is_marked and not _is_plain_text(rest):
            what = 'needs `type: string`, or `[string, "null"]`, without `enum` and `const`'
            self._fail((*at, _SPAN), f"{what}: the value is a part of the message")
        elif is_marked:
            self.spans.append(str(at[1]))
        return rest

    def _with_parts(self, schema: Schema, at: Location) -> Schema:
        if "items" in schema:
            schema["items"] = self._schema(schema["items"], (*at, "items"))
        if "properties" in schema:
            parts = mapping(schema["properties"]).items()
            schema["properties"] = {name: self._schema(one, (*at, "properties", name)) for name, one in parts}
            schema.setdefault("additionalProperties", False)  # a grammar has no room for undeclared keys
        if isinstance(schema.get("additionalProperties"), dict):
            others = "additionalProperties"
            schema[others] = self._schema(schema[others], (*at, others))
        if "anyOf" in schema:
            choices = enumerate(listing(schema["anyOf"]))
            schema["anyOf"] = [self._schema(one, (*at, "anyOf", index)) for index, one in choices]
        return schema

    def _referred(self, schema: Schema, at: Location) -> Schema:
        others = sorted(set(schema) - _REMARKS - _REFERENCES)
        if others:
            self._fail(
                (*at, others[0]), "stands beside a `$ref`, which hides it; move it to where the `$ref` leads"
            )
        reference = str(schema["$ref"])
        start, *parts = [part.replace("~1", "/").replace("~0", "~") for part in reference.split("/")]
        target = self._target(parts) if start == "#" else None
        if target is None:
            self._fail((*at, "$ref"), "leads nowhere in this `output`; use `#/$defs/NAME`")
        elif not parts or reference in self._followed:
            self._fail((*at, "$ref"), "leads back to itself; write out as many levels as are needed")
        else:
            self._followed.append(reference)
            written = self._schema(target, tuple(parts))
            self._followed.pop()
            return written
        return {}

    def _target(self, parts: list[str]) -> JsonValue:
        found: JsonValue = self._root
        for part in parts:
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def _check_keywords(self, schema: Schema, at: Location) -> None:
        for keyword in schema.keys() - _ENFORCED - _REMARKS - _REFERENCES:
            near = next(iter(get_close_matches(keyword, _ENFORCED, n=1, cutoff=0.75)), None)
            advice = (
                f"did you mean `{near}`?" if near else "say it in the instructions, or use `enum`, `anyOf`"
            )
            self._fail((*at, keyword), f"cannot be enforced while an answer is written; {advice}")
        for keyword in _COUNTS:
            count = schema.get(keyword, 0)
            if isinstance(count, int) and count > MAX_REPETITIONS:
                self._fail((*at, keyword), f"must be at most {MAX_REPETITIONS}")
        self._check_text(schema, at)
        self._check_whole(schema, at)

    def _check_text(self, schema: Schema, at: Location) -> None:
        if schema.get("format", "date") not in _FORMATS:
            self._fail((*at, "format"), f"must be one of {', '.join(sorted(_FORMATS))}")

    def _check_whole(self, schema: Schema, at: Location) -> None:
        if not schema.keys() & {"type", "enum", "const", "anyOf"}:
            self._fail(at, "must say its `type`")
        undeclared = [
            name
            for name in listing(schema.get("required", []))
            if name not in mapping(schema.get("properties", {}))
        ]
        for name in undeclared:
            self._fail((*at, "required"), f"names `{shown(str(name))}`, which is not in `properties`")
        others = sorted(schema.keys() - _REMARKS - _REFERENCES - {"anyOf"})
        if "anyOf" in schema and others:
            self._fail((*at, others[0]), "stands beside `anyOf`; move it into each part of the `anyOf`")


class _TooLarge(Exception):
    """Writing out does not come to an end soon enough."""


def _is_plain_text(schema: Schema) -> bool:
    kinds = [schema, *map(mapping, listing(schema.get("anyOf", [])))]
    types = [one for kind in kinds for one in _listed(kind.get("type", []))]
    return "string" in types and set(types) <= {"string", "null"} and not {"enum", "const"} & schema.keys()


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _one_type_each(schema: Schema) -> Schema:
    """`type: [string, null]` as `anyOf`: a grammar forgets a list of types' other keywords."""
    types = schema.get("type")
    if "enum" in schema or "const" in schema or not isinstance(types, list):
        return schema
    rest = {key: value for key, value in schema.items() if key != "type"}
    remarks = {key: value for key, value in rest.items() if key in _REMARKS}
    limits = {key: value for key, value in rest.items() if key not in _REMARKS}
    return {**remarks, "anyOf": [{"type": one, **_limits_of(one, limits)} for one in types]}


def _limits_of(kind: JsonValue, limits: Schema) -> Schema:
    keywords = {
        "string": {"minLength", "maxLength", "pattern", "format"},
        "array": {"items", "minItems", "maxItems"},
        "object": {"properties", "required", "additionalProperties"},
    }.get(str(kind), set())
    return {key: value for key, value in limits.items() if key in keywords}
