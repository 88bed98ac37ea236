"""Which files may be fetched from Slack, and what came with a message. Knows no SDK."""

from bots.file_stores import is_own_store
from bots.files import check_count, check_size, read_file
from bots.slack_api import Api, ApiFailed
from bots.slack_events import SlackFile
from engine import Attachment, FileNotFetched, FilesConfig

HOSTS = ("files.slack.com", "files-origin.slack.com")


def is_slacks(url: str, api_url: str) -> bool:
    """Whether the address is Slack's own store of files, or the proxy that `slack.api_url` names.

    Nothing else is ever fetched, whoever wrote the address: the token goes with it.
    """
    return is_own_store(url, HOSTS, api_url=api_url, domain="slack.com")


async def fetched(api: Api, files: tuple[SlackFile, ...], config: FilesConfig) -> tuple[Attachment, ...]:
    """The texts of the files, in order.

    Raises:
        UnderstudyError: they are too many, one is too large or no text, or Slack does not give it.
    """
    check_count(len(files), config)
    for file in files:
        check_size(file.name, file.num_bytes, config)
    return tuple([await _attachment(api, file, config) for file in files])


async def _attachment(api: Api, file: SlackFile, config: FilesConfig) -> Attachment:
    try:
        content = await api.download(file.url, config.max_file_bytes)
    except ApiFailed as error:
        raise FileNotFetched(file.name) from error
    return read_file(file.name, content, config)
