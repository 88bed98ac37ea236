"""Whether a YAML tree has the shape of a pydantic model, said in words and with lines. Knows no file's meaning."""

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import islice
from typing import TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from engine.yamlfile import MAX_FAULTS, Entry, FaultList, ListNode, MapNode, Node, TextNode, shown

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain]"
Location = tuple[int | str, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)
ValueT = TypeVar("ValueT")


# Parts of pydantic's locations that stand for no part of the file: what is wrong is the key itself, or one kind of a union.
_TAGS = ("[key]", "<")


class Strict(BaseModel):
    """The part of a file that one model describes: a key that is not declared is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def fault(what: str) -> PydanticCustomError:
    """What a validator raises: `what` follows the name of the value."""
    return PydanticCustomError("fault", "{what}", {"what": what})


def plain(node: Node) -> Plain:
    if isinstance(node, TextNode):
        return node.text
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return {entry.key: plain(entry.value) for entry in node.entries}


def nearest(name: str, names: tuple[str, ...]) -> str | None:
    return next(iter(get_close_matches(name, names, n=1)), None)


def did_you_mean(name: str, names: tuple[str, ...]) -> str:
    near = nearest(name, names)
    return (
        f"did you mean `{near}`?" if near else f"the keys here are {', '.join(f'`{one}`' for one in names)}"
    )


def check(model: type[ModelT], root: MapNode, faults: FaultList) -> ModelT | None:
    """The model, or None after every fault of the shape was added."""
    try:
        return model.model_validate(plain(root))
    except ValidationError as error:
        found = FaultList(faults.path)
        details = list(islice(error.errors(include_url=False), MAX_FAULTS + 1))
        misspelt = {_meant(model, one) for one in details if one["type"] == "extra_forbidden"}
        for one in details:
            if (
                one["type"] != "missing" or one["loc"] not in misspelt
            ):  # else the misspelt key is the one fault to tell
                found.add(line_of(root, one["loc"]), describe(model, root, one))
        faults.extend(found)
    return None


def _meant(model: type[BaseModel], error: ErrorDetails) -> Location:
    """Where the misspelt key would have been."""
    *parents, key = error["loc"]
    return (*parents, nearest(str(key), keys_at(model, tuple(parents))) or "")


def attempt(adapter: TypeAdapter[ValueT], node: Node | None) -> ValueT | None:
    """A part of a file that is whole in itself, whatever is wrong elsewhere."""
    if node is None:
        return None
    try:
        return adapter.validate_python(plain(node))
    except ValidationError:
        return None


def line_of(root: Node, location: Location) -> int:
    """The line of the deepest node on the way to `location` that is there."""
    node, line = root, root.line
    for part in location:
        step = _step(node, part)
        if isinstance(step, Entry):
            node = step.value
            line = node.line if isinstance(node, TextNode) and node.text else step.line
        elif step is not None:
            node, line = step, step.line
    return line


def _step(node: Node, part: int | str) -> Entry | Node | None:
    if isinstance(node, MapNode) and isinstance(part, str):
        return node.entry(part)
    if isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None


def node_at(root: Node, location: Location) -> Node | None:
    node: Node | None = root
    for part in location:
        step = None if node is None else _step(node, part)
        node = step.value if isinstance(step, Entry) else step
    return node


def describe(model: type[BaseModel], root: Node, error: ErrorDetails) -> str:
    location = tuple(part for part in error["loc"] if not str(part).startswith(_TAGS))
    if error["type"] == "extra_forbidden":
        key = str(location[-1])
        return f"unknown key `{shown(key)}`; {did_you_mean(key, keys_at(model, location[:-1]))}"
    if error["type"] == "missing":
        return f"{named(location)} is missing; add it"
    node = node_at(root, location)
    if isinstance(node, TextNode) and not node.text:
        return (
            f"{named(location)} is empty; write its value (a text with a comma needs quotes), or take it out"
        )
    return f"{named(location)} {_complaint(error)}"


def named(location: Location) -> str:
    """`examples` item 3, `output`: how a person finds it."""
    words = [f"item {part + 1}" if isinstance(part, int) else f"`{shown(part)}`" for part in location]
    text = ", ".join(words).replace(", item", " item").replace("`, `", ".")
    return text or "the file"


def keys_at(model: type[BaseModel], location: Location) -> tuple[str, ...]:
    """The declared keys of the model that stands at `location`."""
    annotation: object = model
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            annotation = get_args(annotation)[-1]
    return (
        tuple(annotation.model_fields)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel)
        else ()
    )


def _complaint(error: ErrorDetails) -> str:
    advice = _ADVICE.get(error["type"])
    context: Mapping[str, object] = error.get("ctx") or {}
    return error["msg"] if advice is None else advice.format(**context)


# What pydantic finds, by its own names, as the end of a sentence.
_ADVICE: Mapping[str, str] = {
    "string_type": "must be one text; put quotes around it if it begins with `[` or `{{`",
    "string_too_short": "is empty; write its value, or take the key out",
    "string_too_long": "has more than {max_length} characters; make it shorter",
    "string_pattern_mismatch": "must be lower-case letters, digits, `-` or `_`, and begin with a letter",
    "list_type": "must be a list; write one `- item` a line",
    "tuple_type": "must be a list; write one `- item` a line",
    "too_short": "needs at least {min_length}; add one, or take the key out",
    "too_long": "may have at most {max_length}; take some out",
    "dict_type": "must be made of `key: value` lines",
    "model_type": "must be made of `key: value` lines",
    "bool_parsing": "must be `true` or `false`",
    "bool_type": "must be `true` or `false`",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
}
