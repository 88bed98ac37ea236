"""Links in markdown: those that show one address and lead to another, and whether there are any. Knows no platform.

A link stays as it is when it leads where a reader expects it: plain http, https or mailto to an ASCII host, under a
text that is no address itself or has the same host. Any other is written out, `text (address)`, or made no link.
"""

import html
import re
import unicodedata

WORD_JOINER = "\u2060"  # shows nothing, breaks what a parser looks for

# [text](address), without brackets inside; or any other "](": a link that a simple pattern cannot judge.
_MASKED = re.compile(
    r"!?\[(?P<text>[^\[\]\n]*)\]\((?P<address>[^()\[\]\s<>]*(?:\([^()\[\]\s<>]*\)[^()\[\]\s<>]*)*)\)"
    r"|\](?=\(\s{0,20}<?\s{0,20}(?P<other>[^\s)>]{0,200}))"
)
_DEFINITION = re.compile(r"\](?=:\s*<?(?:[a-z][a-z0-9+.-]*:|//|\\|&))", re.IGNORECASE)  # [label]: address
# Brackets end an address for a reader, not for everybody who makes links: what stands before an `@` is a user name all the same.
_WEB_ADDRESS = re.compile(
    r"https?:(?=(?P<seen>//[^\s/<>()\[\]|`]{0,300})(?P<rest>[^\s/<>@]{0,300}@)?)", re.IGNORECASE
)

_PLAIN_WEB = re.compile(
    r"https?://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)\.?(?::\d+)?(?:[/?#].*)?", re.IGNORECASE | re.DOTALL
)
_PLAIN_MAIL = re.compile(r"mailto:[\w.+-]+@(?P<host>[a-z0-9][a-z0-9.-]*)", re.IGNORECASE | re.ASCII)
_NO_ADDRESS = re.compile(
    r"(?!//|www\.)[\w#/.,=+* \u2060-]*", re.IGNORECASE
)  # `items[0](x)`, `[the guide](docs/guide.md)`
_HOST = re.compile(r"(?:[\w-]+\.)+(?:[^\W\d_]{2,}|xn--[\w-]+)|\d{1,3}(?:\.\d{1,3}){3}", re.IGNORECASE)
_LOOKS_LIKE_ADDRESS = re.compile(r"https?:|://|www\.", re.IGNORECASE)
_DECORATION = re.compile(r"[*_~`\\]")
# Rather too much than too little: any scheme, and a dot between what may be a name and two letters (`file.py`, `a.example`).
_LINKED = re.compile(
    r"://|www\.|mailto:|[^\s!-/:-@\[-`{-~]\.(?:[^\W\d_]{2}|[^\W\d_][^\x00-\x7f])|\d(?:\.\d{1,3}){3}",
    re.IGNORECASE,
)


def told(text: str) -> str:
    """`text` with every link that lies written out or made no link."""
    text = _DEFINITION.sub(f"]{WORD_JOINER}", text)
    text = _MASKED.sub(_written_out, text)
    return _WEB_ADDRESS.sub(_unlinked_if_it_lies, text)


def may_hold_address(text: str) -> bool:
    """Whether a place may make a link of something in `text`. No address has a space in it."""
    return _LINKED.search(text) is not None or _LINKED.search(_as_seen(text)) is not None


class Watch:
    """Looks for addresses in a text that grows. The end of what was harmless may be where one begins."""

    def __init__(self) -> None:
        self._harmless = ""

    def sees_address(self, text: str) -> bool:
        start = 0
        if text.startswith(self._harmless):
            end = len(self._harmless)
            start = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end)) + 1
        if may_hold_address(text[start:]):
            return True
        self._harmless = text
        return False


def _written_out(link: re.Match[str]) -> str:
    address = link["address"]
    if address is None:
        return link[0] if _is_no_address(link["other"]) else f"]{WORD_JOINER}"
    if _is_no_address(address) or _is_honest(link["text"], address, is_image=link[0].startswith("!")):
        return link[0]
    return f"{link['text']} ({address})"


def _unlinked_if_it_lies(address: re.Match[str]) -> str:
    is_plain = _is_plain_authority(address["seen"]) and address["rest"] is None
    return address[0] if is_plain else address[0] + WORD_JOINER


def _is_no_address(address: str) -> bool:
    return _NO_ADDRESS.fullmatch(address) is not None


def _is_honest(text: str, address: str, *, is_image: bool) -> bool:
    host = _host_of(address)
    seen = _as_seen(text)
    if is_image or host is None or not seen.strip():
        return False
    hosts = {_bare(one) for one in _HOST.findall(seen)}
    return hosts == {host} if hosts else not _LOOKS_LIKE_ADDRESS.search(seen)


def _host_of(address: str) -> str | None:
    """The host that `address` leads to, where that is plain to see."""
    found = _PLAIN_MAIL.fullmatch(address) or _PLAIN_WEB.fullmatch(address)
    is_plain = found is not None and (
        found.re is _PLAIN_MAIL or _is_plain_authority(address.partition(":")[2])
    )
    return _bare(found["host"]) if found is not None and is_plain else None


def _is_plain_authority(authority: str) -> bool:
    """Nothing before the path that a reader could take for the host: no user name, no look-alike letters."""
    before_path = authority.removeprefix("//").partition("/")[0]
    host = re.split(r"[?#]", before_path, maxsplit=1)[0]
    return before_path.isascii() and not set(before_path) & set("@\\") and not set(host) & set("%&")


def _bare(host: str) -> str:
    return host.lower().removeprefix("www.")


def _as_seen(text: str) -> str:
    """What a reader takes `text` for: entities, decoration and invisible characters resolved, look-alike dots as dots."""
    text = unicodedata.normalize("NFKC", html.unescape(text)).replace("。", ".")
    visible = "".join(one for one in text if unicodedata.category(one) != "Cf")
    return _DECORATION.sub("", visible)
