"""The places there are."""

from bots.places import KINDS
from engine import Secrets


def test_each_place_has_a_guide_and_tokens_that_secrets_know():
    for kind in KINDS:
        assert kind.missing(Secrets()) == tuple(token.upper() for token in kind.tokens)
        assert kind.guide == f"docs/{kind.name.lower()}.md"
