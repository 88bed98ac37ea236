"""What goes to the log: our own warnings, other libraries' errors, one line each on stderr. Never what people say, never a token."""

import logging

from engine import Secrets, redacted

_OURS = ("bots", "engine")
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SHORTEST_SECRET = 8

_known: set[str] = set()


def hide(secrets: Secrets) -> None:
    """From now on these are not shown, whatever they look like."""
    _known.update(value for value in secrets.values if len(value) >= _SHORTEST_SECRET)


def shown(text: str) -> str:
    """`text` as it may leave the process."""
    for secret in _known:
        text = text.replace(secret, "***")
    return redacted(text)


class _Redacting(logging.Formatter):
    """The last thing that a line passes, with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def set_up_logging(*, is_verbose: bool) -> None:
    """Other libraries stay at ERROR also when verbose: at DEBUG some of them print message texts and socket tickets."""
    logging.basicConfig(level=logging.ERROR, force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Redacting(_FORMAT))
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if is_verbose else logging.WARNING)
