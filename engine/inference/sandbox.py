"""A model's chat template is a program from a stranger: here it runs with no way out, for a moment, in little memory. Knows no tokens.

Two watches: the processor's time (a signal, which reaches Python's own loops) and the address space (which ends what C does in one go).
"""

import resource
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE_CHARACTERS = 200_000  # the longest that is published has a tenth of it
MAX_RENDERED_CHARACTERS = 1_000_000
MAX_SECONDS = 2.0
_MAX_BYTES = 256 << 20
_MAX_DIGITS = 4_000
_STATM = Path("/proc/self/statm")
_T = TypeVar("_T")


class TemplateFailed(Exception):
    """What the template did, as the end of "the model's chat template ..."."""


class TemplateRefused(TemplateFailed):
    """The template itself says that it does not take these messages."""


class _OutOfTime(BaseException):
    """No `except Exception` on the way up may swallow it."""


class _Generation(Extension):
    """`{% generation %}` marks what a model learns from while it is trained. It writes what stands in it."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's own form

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Environment(ImmutableSandboxedEnvironment):
    """Jinja as models' templates are written for, without what reaches out or grows without a loop."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
        )
        del self.globals["lipsum"]
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        if operator == "**" and not (_is_small(left) and _is_small(right)):
            raise SecurityError("it computes a number without end")
        if operator == "*" and max(_length(left, right), _length(right, left)) > MAX_RENDERED_CHARACTERS:
            raise SecurityError("it makes something too long")
        return super().call_binop(context, operator, left, right)


class Sandbox:
    """One template, read once."""

    def __init__(self, source: str) -> None:
        """Raises TemplateFailed when it is no template."""
        if len(source) > MAX_SOURCE_CHARACTERS:
            raise TemplateFailed(f"has {len(source):,} characters; {MAX_SOURCE_CHARACTERS:,} are the most")
        self._template = _guarded(lambda: Environment().from_string(source))

    def render(self, values: Mapping[str, object]) -> str:
        """Raises TemplateFailed for whatever goes wrong in it, TemplateRefused when it meant to."""
        return _guarded(lambda: _joined(self._template.generate(dict(values))))


def _joined(pieces: Iterator[str]) -> str:
    found: list[str] = []
    room = MAX_RENDERED_CHARACTERS
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise TemplateFailed(f"writes more than {MAX_RENDERED_CHARACTERS:,} characters")
        found.append(piece)
    return "".join(found)


def _guarded(work: Callable[[], _T]) -> _T:
    try:
        with _little_memory(), _little_time():
            return work()
    except TemplateFailed:
        raise
    except _OutOfTime:
        raise TemplateFailed(f"did not end within {MAX_SECONDS:.0f} seconds") from None
    except MemoryError:
        raise TemplateFailed(f"wants more than {_MAX_BYTES >> 20} MB") from None
    except RecursionError:
        raise TemplateFailed("calls itself without end, or is nested too deeply") from None
    except SecurityError as error:
        raise TemplateFailed(f"does what no template may: {error}") from error
    except TemplateSyntaxError as error:
        raise TemplateFailed(f"cannot be read: {error.message} (line {error.lineno})") from error
    except TemplateError as error:
        raise TemplateRefused(f"says: {error}") from error
    except Exception as error:  # foreign code raises what it likes
        raise TemplateFailed(f"fails with {type(error).__name__}: {str(error)[:200]}") from error


@contextmanager
def _little_time() -> Iterator[None]:
    """Counts this process's own time: on a busy machine a good template is not taken for an endless one."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone, which is where a worker computes
        return
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def _little_memory() -> Iterator[None]:
    """Where the system does not say how much this process has, only the length of what is written is limited."""
    try:
        used = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    except OSError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = used + _MAX_BYTES
    if soft != resource.RLIM_INFINITY:
        most = min(most, soft)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _OutOfTime


def _refuse(reason: str) -> NoReturn:
    raise TemplateError(reason)


def _is_small(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= 64


def _length(value: object, times: object) -> int:
    """Of `value` repeated; of a product of numbers, in digits that count as too long from `_MAX_DIGITS` on."""
    if isinstance(value, int) and isinstance(times, int):
        is_long = value.bit_length() + times.bit_length() > 4 * _MAX_DIGITS
        return MAX_RENDERED_CHARACTERS + 1 if is_long else 0
    if isinstance(value, Sequence) and isinstance(times, int):
        return len(value) * times
    return 0
