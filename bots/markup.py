"""Makes a model's markdown safe to send: no mention that is live, no link that lies. Knows no message and no limit.

A model repeats what people tell it, so every answer is treated as if an attacker had written it. Nothing visible is
lost: what would be live gets an invisible word joiner, a link that lies is written out, and characters that only
steer the display (bidi controls and other control characters) go. Code is treated as text: what is code differs
between the platforms and a doubt must not become a hole.
"""

import re

from bots import links
from bots.links import WORD_JOINER

_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb]"
)
_NEW_LINES = re.compile(r"\r\n?|[\u2028\u2029]")

# Markdown turns these into "<" too.
_LESS_THAN = r"(?:<|&lt;?|&LT;?|&#0*60;?|&#[xX]0*3[cC];?)"
_AT = r"(?:@|&commat;|&#0*64;?|&#[xX]0*40;?)"

# `name@here.example` is an address; `hey@here` is not.
_EVERYBODY = re.compile(
    rf"({_AT})(?=\\?(?:everyone|here|channel))(?!(?<=[\w.+-]@)(?:everyone|here|channel)\.\w)", re.IGNORECASE
)

# <!here> <!subteam^S1> <!date^..>, but not <!-- and <!DOCTYPE; <@U1> <#C1>, but not List<@T>.
_SLACK = re.compile(
    rf"({_LESS_THAN})(?=\\?!(?!--|doctype\b|\[cdata\[)|\\?@[UWB](?-i:[A-Z0-9])|\\?\#(?-i:[CGD][A-Z0-9])"
    r"|[a-z][a-z0-9+.-]*:[^<>]*\|)",
    re.IGNORECASE,
)

# <@1> <@!1> <@&1> <#1> </command:1> <id:customize>
_DISCORD = re.compile(rf"({_LESS_THAN})(?=\\?@[!&]?\d|\\?\#\d|/[^<>:\n]{{1,100}}:\d|id:)", re.IGNORECASE)


def for_slack(text: str) -> str:
    return _safe(text, _SLACK)


def for_discord(text: str) -> str:
    return _safe(text, _DISCORD)


def _safe(text: str, mentions: re.Pattern[str]) -> str:
    # First what is dropped, as its going may put a mention together; then the links, whose writing out may, too.
    text = _STEERING.sub("", _NEW_LINES.sub("\n", text))
    text = links.told(text)
    for pattern in (mentions, _EVERYBODY):
        text = pattern.sub(rf"\1{WORD_JOINER}", text)
    return text
