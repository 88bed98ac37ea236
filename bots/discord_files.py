"""Which files may be fetched from Discord, and how a file is sent with a message. Knows no SDK and no network."""

from dataclasses import dataclass

from bots.file_stores import is_own_store

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


def is_discords(url: str, api_url: str) -> bool:
    """Whether the address is one of Discord's own stores of files, or the proxy that `discord.api_url` names.

    Nothing else is ever fetched, whoever wrote the address.
    """
    return is_own_store(url, HOSTS, api_url=api_url, domain="discord.com")
