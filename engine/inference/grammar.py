"""The grammar (GBNF) that keeps a completion inside what a skill allows. Knows no model."""

import json
from functools import lru_cache

from engine.inference.llama import grammar_of_schema
from engine.inference.wire import Choices, JsonSchema


@lru_cache(maxsize=256)
def grammar_of(constraint: Choices | JsonSchema) -> str:
    """GBNF text whose start rule is `root`.

    Raises:
        ValueError: the schema has no grammar.
    """
    if isinstance(constraint, JsonSchema):
        return grammar_of_schema(constraint.schema)
    # JSON's escapes are those of GBNF literals.
    return "root ::= " + " | ".join(json.dumps(label, ensure_ascii=False) for label in constraint.labels)
