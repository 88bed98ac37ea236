"""Finds, fetches and verifies a model file."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelFile:
    path: Path
    sha256: str
    name: str
    is_starter: bool
