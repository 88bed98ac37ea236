"""What goes to the log: our own warnings, other libraries' errors, one line each on stderr. Never what people say."""

import logging

_OURS = ("bots", "engine")
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logging(*, is_verbose: bool) -> None:
    """Other libraries stay at ERROR also when verbose: at DEBUG some of them print message texts and socket tickets."""
    logging.basicConfig(level=logging.ERROR, format=_FORMAT, force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if is_verbose else logging.WARNING)
