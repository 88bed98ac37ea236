"""Whether an address is a platform's own store of files: nothing else is ever fetched, whoever wrote it. Knows no network."""

from urllib.parse import urlsplit


def is_own_store(url: str, hosts: tuple[str, ...], *, api_url: str, domain: str) -> bool:
    """One of `hosts`, or the proxy that the configured `api_url` names; an `api_url` in `domain` is no proxy.

    The platform's token may go with what is fetched, and people write addresses into messages.
    """
    try:
        asked, api = urlsplit(url), urlsplit(api_url)
        asked_port, api_port = asked.port, api.port
    except ValueError:
        return False
    if asked.username is not None or asked.password is not None:
        return False
    if asked.scheme == "https" and asked.hostname in hosts and asked_port in {None, 443}:
        return True
    is_proxy = api.hostname is not None and not api.hostname.endswith(domain)
    return is_proxy and (asked.scheme, asked.hostname, asked_port) == (api.scheme, api.hostname, api_port)
