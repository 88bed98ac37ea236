"""Which models answer: what was measured with one says nothing of another. Knows no file."""

from dataclasses import dataclass

from engine.inference import ModelInfo


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """`sha256` and `embedding_sha256` are of the two files; that of the embedding model is empty where there is none."""

    name: str
    sha256: str
    embedding_sha256: str = ""

    @property
    def files(self) -> tuple[str, str]:
        """What it is, whatever it is called."""
        return self.sha256, self.embedding_sha256


def identity_of(info: ModelInfo, name: str = "") -> ModelIdentity:
    """`name` is what people call it; without one, what its file says of it."""
    return ModelIdentity(name or info.description, info.sha256, info.embedding_sha256)
