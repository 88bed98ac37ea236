"""What was computed before and may be used again: the KV states of prefixes, in RAM and on disk. Knows no slots and no requests.

A state belongs to a scope. The empty scope is everybody's: prefixes of skills, in which nothing stands that a person
said. Any other is found under its own name alone, so that nobody's words ever serve somebody else.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from engine.inference.context import State
from engine.inference.prefixfiles import PrefixFiles
from engine.inference.tokentree import Match, TokenTree

Tokens: TypeAlias = tuple[int, ...]
Key: TypeAlias = tuple[str, Tokens]

EVERYBODY = ""
MIN_STATE_TOKENS = 16  # fewer are computed sooner than they are looked up


@dataclass(slots=True)
class _Kept:
    """`state` is None while it is on disk alone."""

    state: State | None


@dataclass(frozen=True, slots=True)
class Found:
    """A state whose first `num_common` tokens are those that were asked for. It may hold more."""

    num_common: int
    num_tokens: int
    state: State


class States:
    """Least recently used goes first when memory is short, pinned ones last."""

    def __init__(self, *, max_bytes: int, files: PrefixFiles | None = None) -> None:
        self._trees: dict[str, TokenTree[_Kept]] = {EVERYBODY: TokenTree()}
        self._used: OrderedDict[Key, int] = (
            OrderedDict()
        )  # those in RAM and their bytes, least recently used first
        self._pins: dict[str, Tokens] = {}
        self._files = files
        self.max_bytes = max_bytes
        self.num_bytes = 0
        for tokens in files.index() if files else ():
            self._trees[EVERYBODY].insert(tokens, _Kept(None))

    def __len__(self) -> int:
        """How many are in RAM."""
        return len(self._used)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._used)

    @property
    def num_conversations(self) -> int:
        return sum(scope != EVERYBODY for scope, _ in self._used)

    @property
    def num_files_loaded(self) -> int:
        return self._files.num_loaded if self._files else 0

    @property
    def num_files_refused(self) -> int:
        return self._files.num_refused if self._files else 0

    def has(self, tokens: Tokens, scope: str = EVERYBODY) -> bool:
        """Whether exactly these tokens' state is kept, in RAM or on disk."""
        tree = self._trees.get(scope)
        return tree is not None and tree.get(tokens) is not None

    def find(self, tokens: Tokens, scope: str) -> Found | None:
        """The state that spares the most of computing `tokens`: everybody's, or one of the same scope."""
        while best := self._best(tokens, scope):
            owner, match = best
            state = match.value.state or self._loaded(match.tokens)
            if state is not None:
                match.value.state = state
                self._hold(owner, match.tokens, match.value)
                return Found(match.num_common, len(match.tokens), state)
            self._trees[owner].remove(match.tokens)  # its file is gone or was refused
        return None

    def keep(self, tokens: Tokens, state: State, scope: str = EVERYBODY) -> None:
        """Keeps a state. In a conversation it takes the place of those that it continues."""
        if scope != EVERYBODY:
            for older in [one for one in self._trees.get(scope, ()) if tokens[: len(one)] == one]:
                self._drop(scope, older)
        elif self._files and not self.has(tokens):
            self._files.save(tokens, bytes(state))
        kept = _Kept(state)
        self._trees.setdefault(scope, TokenTree()).insert(tokens, kept)
        self._hold(scope, tokens, kept)

    def pin(self, name: str, tokens: Tokens) -> None:
        """Lets this prefix go last; the one that had the same name before goes in its turn again."""
        self._pins[name] = tokens

    def forget_conversations(self) -> None:
        """Lets go of everything that holds people's words."""
        for scope, tokens in [key for key in self._used if key[0] != EVERYBODY]:
            self._drop(scope, tokens)

    def close(self) -> None:
        """Waits for what is still being written."""
        if self._files:
            self._files.close()

    def _best(self, tokens: Tokens, scope: str) -> tuple[str, Match[_Kept]] | None:
        matches = [
            (owner, match)
            for owner in {EVERYBODY, scope}
            if owner in self._trees
            and (match := self._trees[owner].longest(tokens))
            and match.num_common >= MIN_STATE_TOKENS
        ]
        return max(matches, key=lambda one: (one[1].num_common, -len(one[1].tokens)), default=None)

    def _loaded(self, tokens: Tokens) -> State | None:
        return self._files.load(tokens) if self._files else None

    def _hold(self, scope: str, tokens: Tokens, kept: _Kept) -> None:
        """Notes a state as the one used last; others make room for it."""
        key = (scope, tokens)
        if old := self._used.pop(key, None):
            self.num_bytes -= old
        size = self._used[key] = len(kept.state or b"")
        self.num_bytes += size
        while self.num_bytes > self.max_bytes and len(self._used) > 1:
            self._let_go(self._next_to_go(key))

    def _next_to_go(self, newest: Key) -> Key:
        pinned = {(EVERYBODY, tokens) for tokens in self._pins.values()}
        others = [key for key in self._used if key != newest]
        return next((key for key in others if key not in pinned), others[0])

    def _let_go(self, key: Key) -> None:
        """Out of the RAM. What is everybody's may still be on disk."""
        scope, tokens = key
        if scope == EVERYBODY and self._files and (kept := self._trees[scope].get(tokens)):
            kept.state = None
            self.num_bytes -= self._used.pop(key)
        else:
            self._drop(scope, tokens)

    def _drop(self, scope: str, tokens: Tokens) -> None:
        self.num_bytes -= self._used.pop((scope, tokens), 0)
        tree = self._trees[scope]
        tree.remove(tokens)
        if not len(tree) and scope != EVERYBODY:
            del self._trees[scope]
