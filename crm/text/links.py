"""What is wrong with a link by itself, wherever it leads."""

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, unquote, urlsplit

ALLOWED_SCHEMES = frozenset({"http", "https", "mailto", "tel", ""})
SHORTENER_NAMES = """
    adf.ly bit.do bit.ly bitly.com buff.ly cutt.ly goo.gl is.gd lnkd.in ow.ly rb.gy rebrand.ly s.id shorturl.at
    shorte.st short.io t.co t.ly tiny.cc tinyurl.com tr.im trib.al v.gd wp.me x.co
"""
SHORTENER_HOSTS = frozenset(SHORTENER_NAMES.split())
MAX_PATH_LENGTH = 120


def split_link(link: str) -> SplitResult:
    """`link` taken apart; one without a scheme is taken for a web address, one that is malformed for an empty one."""
    try:
        found = urlsplit(link if re.match(r"[a-z][a-z0-9+.-]*:(?!\d)", link, re.IGNORECASE) else f"https://{link}")
        found.port  # noqa: B018 - read for what it raises
    except ValueError:
        return urlsplit("")
    return found


def link_host(link: str) -> str:
    """The host that `link` leads to in lower case; empty where it cannot be told."""
    return (split_link(link).hostname or "").rstrip(".").removeprefix("www.")


def find_link_faults(link: str) -> list[str]:
    """Why nobody should be sent `link`, as ends of a sentence that begins with it."""
    found, host = split_link(link), link_host(link)
    problems = []
    if found.scheme.lower() not in ALLOWED_SCHEMES or not host:
        problems.append("is no ordinary web address")
    if found.username is not None or found.password is not None:
        problems.append("holds a name or password before its host")
    if is_ip_address(host):
        problems.append("leads to a bare number in place of a host")
    if not host.isascii() or any(label.startswith("xn--") for label in host.split(".")):
        problems.append("leads to a host in letters that may look like others")
    if host in SHORTENER_HOSTS:
        problems.append("is shortened, so that nobody sees where it leads")
    if carries_data(found):
        problems.append("carries data")
    return problems


def is_ip_address(host: str) -> bool:
    """Whether `host` is an address of the internet protocol, however it is written."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+))*", host))
    return True


def carries_data(found: SplitResult) -> bool:
    """Whether values ride along: in the query, in what follows a #, or in a path that is none."""
    fragment, path = unquote(found.fragment), unquote(found.path)
    has_odd_characters = any(unicodedata.category(character)[0] not in "LNPS" for character in path)
    return (
        bool(found.query)
        or bool(re.search(r"[=@/?&%]|.{40}", fragment))
        or "@" in path
        or "=" in path
        or (has_odd_characters or len(path) > MAX_PATH_LENGTH)
    )
