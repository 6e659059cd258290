"""What is wrong with a link by itself, wherever it leads."""

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, unquote, urlsplit

SCHEMES = frozenset({"http", "https", "mailto", "tel", ""})
SHORTENING = """
    adf.ly bit.do bit.ly bitly.com buff.ly cutt.ly goo.gl is.gd lnkd.in ow.ly rb.gy rebrand.ly s.id shorturl.at
    shorte.st short.io t.co t.ly tiny.cc tinyurl.com tr.im trib.al v.gd wp.me x.co
"""
SHORTENERS = frozenset(SHORTENING.split())
LONGEST_PATH = 120


def parts(link: str) -> SplitResult:
    """`link` taken apart; one without a scheme is taken for a web address, one that is malformed for an empty one."""
    try:
        found = urlsplit(link if re.match(r"[a-z][a-z0-9+.-]*:(?!\d)", link, re.IGNORECASE) else f"https://{link}")
        found.port  # noqa: B018 - read for what it raises
    except ValueError:
        return urlsplit("")
    return found


def host_of(link: str) -> str:
    """The host that `link` leads to in lower case; empty where it cannot be told."""
    return (parts(link).hostname or "").rstrip(".").removeprefix("www.")


def faults(link: str) -> list[str]:
    """Why nobody should be sent `link`, as ends of a sentence that begins with it."""
    found, host = parts(link), host_of(link)
    wrong = []
    if found.scheme.lower() not in SCHEMES or not host:
        wrong.append("is no ordinary web address")
    if found.username is not None or found.password is not None:
        wrong.append("holds a name or password before its host")
    if is_number(host):
        wrong.append("leads to a bare number in place of a host")
    if not host.isascii() or any(label.startswith("xn--") for label in host.split(".")):
        wrong.append("leads to a host in letters that may look like others")
    if host in SHORTENERS:
        wrong.append("is shortened, so that nobody sees where it leads")
    if carries_data(found):
        wrong.append("carries data")
    return wrong


def is_number(host: str) -> bool:
    """Whether `host` is an address of the internet protocol, however it is written."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+))*", host))
    return True


def carries_data(found: SplitResult) -> bool:
    """Whether values ride along: in the query, in what follows a #, or in a path that is none."""
    fragment, path = unquote(found.fragment), unquote(found.path)
    odd = any(unicodedata.category(character)[0] not in "LNPS" for character in path)
    return (
        bool(found.query)
        or bool(re.search(r"[=@/?&%]|.{40}", fragment))
        or "@" in path
        or "=" in path
        or (odd or len(path) > LONGEST_PATH)
    )
