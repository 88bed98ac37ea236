"""Which files may be fetched from Discord, and how a file is sent with a message. Knows no SDK and no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

HOSTS = ("cdn.discordapp.com", "media.discordapp.net")


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that a person sent, as Discord tells of it."""

    name: str
    url: str
    num_bytes: int
    content_type: str = ""

    @property
    def is_called_text(self) -> bool:
        """By Discord, which goes by the name; what it is shows its content."""
        return self.content_type.startswith(
            ("text/", "application/json", "application/yaml", "application/xml")
        )


def file_ref(data: Mapping[str, Any]) -> FileRef:
    """From Discord's attachment object."""
    return FileRef(data["filename"], data["url"], int(data["size"]), data.get("content_type") or "")


def is_discords(url: str, api_url: str) -> bool:
    """Whether the address is one of Discord's own stores of files, or the proxy that `discord.api_url` names.

    Nothing else is ever fetched, whoever wrote the address.
    """
    try:
        asked, api = urlsplit(url), urlsplit(api_url)
        asked_port, api_port = asked.port, api.port
    except ValueError:
        return False
    if asked.username is not None or asked.password is not None:
        return False
    if asked.scheme == "https" and asked.hostname in HOSTS and asked_port in {None, 443}:
        return True
    is_proxy = api.hostname is not None and not api.hostname.endswith("discord.com")
    return is_proxy and (asked.scheme, asked.hostname, asked_port) == (api.scheme, api.hostname, api_port)
