"""Which models answer: what was measured with one says nothing of another. Knows no file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """`sha256` is of the model's file; `embedding` is the name of the embedding model, empty where there is none."""

    name: str
    sha256: str
    embedding: str = ""


UNKNOWN_MODEL = ModelIdentity("the model", "")
