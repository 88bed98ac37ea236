"""Only Discord's own stores of files are ever asked."""

import pytest

from bots.discord_files import is_discords

LIVE = "https://discord.com/api/v10"
PROXY = "http://127.0.0.1:8080/api/v10"


@pytest.mark.parametrize(
    ("url", "api_url"),
    [
        ("https://cdn.discordapp.com/attachments/1/2/a.txt?ex=1&is=2&hm=3", LIVE),
        ("https://media.discordapp.net/attachments/1/2/a.txt", LIVE),
        ("https://cdn.discordapp.com:443/attachments/1/2/a.txt", PROXY),
        ("http://127.0.0.1:8080/attachments/1/2/a.txt", PROXY),
    ],
)
def test_discords_own_addresses_are_taken(url: str, api_url: str) -> None:
    assert is_discords(url, api_url)


@pytest.mark.parametrize(
    ("url", "api_url"),
    [
        ("http://cdn.discordapp.com/attachments/1/2/a.txt", LIVE),
        ("https://cdn.discordapp.com:8443/a.txt", LIVE),
        ("https://cdn.discordapp.com.example.org/a.txt", LIVE),
        ("https://example.org/cdn.discordapp.com/a.txt", LIVE),
        ("https://cdn.discordapp.com@example.org/a.txt", LIVE),
        ("https://user@cdn.discordapp.com/a.txt", LIVE),
        ("https://discord.com/api/v10/users/@me", LIVE),
        ("http://127.0.0.1:8081/a.txt", PROXY),
        ("https://127.0.0.1:8080/a.txt", PROXY),
        ("http://127.0.0.1:8080/a.txt", LIVE),
        ("file:///etc/passwd", LIVE),
        ("https://cdn.discordapp.com:port/a.txt", LIVE),
        ("https://[cdn.discordapp.com/a.txt", LIVE),
        ("", LIVE),
    ],
)
def test_everything_else_is_not(url: str, api_url: str) -> None:
    assert not is_discords(url, api_url)
