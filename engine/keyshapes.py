"""What a key, a token or a password looks like in a text: found, and hidden. Knows no file and whose it is."""

import re

HIDDEN = "***"

# The tokens of Slack, Hugging Face and Discord, wherever they stand in a line.
TOKEN = re.compile(
    r"xox[a-z](?:\.xox[a-z])?-[\w-]{8,}|xapp-[\w-]{8,}|hf_[A-Za-z0-9]{16,}|[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"
)

# What lets somebody in for a while: tickets of sockets, ways back to a conversation, headers.
_PASSING = re.compile(
    r"(?P<before>\bticket=|\bauthorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|bot|basic)\s+)?"
    r"|/webhooks/\d+/|/interactions/\d+/|hooks\.slack\.com/[a-z]+/)(?!\*)[^\s'\"&,;})\]]+",
    re.IGNORECASE,
)

_OTHERS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{22,}|\bglpat-[\w-]{20,}|\bnpm_[A-Za-z0-9]{36}"
    r"|\bsk-[\w-]{20,}|\b[sr]k_live_[A-Za-z0-9]{16,}|\bAIza[\w-]{35}|\bSG\.[\w-]{16,}\.[\w-]{16,}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"
)
_WORD_AND_VALUE = re.compile(
    r"(?:pass(?:word|wd|phrase)|secret|token|api[ _-]?key|access[ _-]?key)['\"]?\s*(?:[:=]|\bis\b)\s*['\"]?(?P<value>[^\s'\",;]{8,})",
    re.IGNORECASE,
)


def has_key(text: str) -> bool:
    """Whether something in `text` looks like one. A word such as `password` alone does not."""
    if TOKEN.search(text) or _OTHERS.search(text):
        return True
    return any(_is_made_up(found["value"]) for found in _WORD_AND_VALUE.finditer(text))


def _is_made_up(value: str) -> bool:
    """Letters and digits mixed, as no word of a language is."""
    return any(one.isdigit() for one in value) and any(one.isalpha() for one in value)


def redacted(text: str) -> str:
    """`text` with what would let somebody in hidden."""
    return _PASSING.sub(rf"\g<before>{HIDDEN}", TOKEN.sub(HIDDEN, text))
