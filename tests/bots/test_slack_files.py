"""Which addresses get the bot's token: Slack's own store of files, or the proxy that the config names."""

import pytest

from bots.slack_files import is_slacks

SLACK = "https://slack.com/api/"


@pytest.mark.parametrize(
    ("url", "api_url", "expected"),
    [
        ("https://files.slack.com/files-pri/T1-F1/download/a.txt", SLACK, True),
        ("http://files.slack.com/files-pri/T1-F1/download/a.txt", SLACK, False),
        ("https://files.slack.com:8443/a", SLACK, False),
        ("https://files.slack.com.evil.example/a", SLACK, False),
        ("https://evil.example/files.slack.com", SLACK, False),
        ("https://files.slack.com@evil.example/a", SLACK, False),
        ("https://user@files.slack.com/a", SLACK, False),
        ("https://slack.com/a", SLACK, False),
        ("http://169.254.169.254/latest", SLACK, False),
        ("file:///etc/passwd", SLACK, False),
        ("", SLACK, False),
        ("https://[", SLACK, False),
        ("http://127.0.0.1:8080/files/a", "http://127.0.0.1:8080/api/", True),
        ("http://127.0.0.1:8081/files/a", "http://127.0.0.1:8080/api/", False),
    ],
)
def test_the_token_goes_to_slack_alone(url: str, api_url: str, *, expected: bool) -> None:
    assert is_slacks(url, api_url) is expected
