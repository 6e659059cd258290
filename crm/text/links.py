"""Links in a text: where they lead, and what is wrong with a link by itself.

A link has one host, and only `link_host` says which: the one that a browser goes to (WHATWG URL standard, with names
in other scripts read by UTS 46). The policy compares it and the approval screen shows it.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import idna
from django.core.validators import URLValidator

from crm.text.cleaning import collect_texts

validate_web_url = URLValidator(schemes=["http", "https"])
WEB_SCHEMES = frozenset({"http", "https"})
DEFAULT_PORTS = {"http": 80, "https": 443}
SHORTENER_NAMES = """
    adf.ly bit.do bit.ly bitly.com buff.ly cutt.ly goo.gl is.gd lnkd.in ow.ly rb.gy rebrand.ly s.id shorturl.at
    shorte.st short.io t.co t.ly tiny.cc tinyurl.com tr.im trib.al v.gd wp.me x.co
"""
SHORTENER_HOSTS = frozenset(SHORTENER_NAMES.split())
MAX_PATH_LENGTH, MAX_HOST_LENGTH, MAX_LINKS_SHOWN = 120, 253, 20
# Endings of host names that email programs turn into links even without a scheme.
TLDS = (
    "com|net|org|info|biz|io|co|app|dev|ai|me|tv|cc|ws|ly|gl|gd|to|sh|link|click|xyz|top|site|online|shop|store|club"
    "|live|icu|buzz|zip|mov|ru|cn|uk|de|fr|nl|es|it|pl|eu|us|ca|au|in|br|jp|kr|ch|at|be|se|no|dk|fi|ie|nz|za|mx|su|tk"
)
# A link ends at white space, a quotation mark or "](", which in Markdown separates the words from the target.
LINK_CHARACTER = r"(?:(?!\]\()[^\s<>\"“”])"
# Each part begins only where a link can begin: tried at every character of a long run, the time would grow with the
# square of its length.
LINK_PATTERN = re.compile(
    rf"(?:[a-z][a-z0-9+.-]{{1,15}}://|(?<!@)www\.|(?:https?|javascript|data|file|vbscript):){LINK_CHARACTER}+"
    rf"|(?<![\w@.-])(?:[\w-]+\.)+(?:{TLDS})\b(?![\w.+-]{{0,64}}@[\w-]{{1,63}}\.)(?:[/?#:\\]{LINK_CHARACTER}*)?"
    rf"|(?<![\w.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}[:/]{LINK_CHARACTER}+",
    re.IGNORECASE,
)
SCHEME_PATTERN = re.compile(r"[a-z][a-z0-9+.-]*:(?!\d)", re.IGNORECASE)
WEB_SCHEME_PATTERN = re.compile(r"(https?):/*", re.IGNORECASE)
# A browser drops these from the ends of a link, and the line breaks and tabs from all of it.
CONTROLS_AND_SPACE = "".join(map(chr, range(0x21)))
HOST_PATTERN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
NUMERIC_HOST_PATTERN = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*")


@dataclass(frozen=True)
class LinkTarget:
    """A link in a text, and the host that it leads to; the host is empty where the link leads nowhere."""

    url: str
    host: str


def extract_links(text: str) -> list[str]:
    """Return the links in `text` as they are written, each once; an email address is not a link."""
    found = (match[0].rstrip(".,;:!?)]}>'’*_") for match in LINK_PATTERN.finditer(text))
    return list(dict.fromkeys(link for link in found if "." in link or ":" in link))


def find_link_targets(contents: Iterable[tuple[str, Any]]) -> list[LinkTarget]:
    """Return where the links in `contents` (label, value) lead, each link once and at most 20."""
    links = [link for _, value in contents for link in extract_links(collect_texts(value))]
    return [LinkTarget(link, link_host(link)) for link in list(dict.fromkeys(links))[:MAX_LINKS_SHOWN]]


def split_link(link: str) -> SplitResult:
    """Return the parts of `link` as a browser reads them.

    A link without a scheme is read as a web address, a malformed one as an empty one. A browser takes a backslash for
    a slash: `https://evil.example\\@ours.example/` leads to evil.example.
    """
    plain = re.sub(r"[\t\r\n]", "", link).strip(CONTROLS_AND_SPACE)
    address = re.match(r"[^?#]*", plain)[0]
    rest = plain[len(address) :]
    if WEB_SCHEME_PATTERN.match(address) or not SCHEME_PATTERN.match(address):
        address = address.replace("\\", "/")
        scheme = WEB_SCHEME_PATTERN.match(address)
        address = f"{scheme[1]}://{address[scheme.end() :]}" if scheme else f"https://{address.lstrip('/')}"
    try:
        parts = urlsplit(address + rest)
        parts.port  # noqa: B018 - read because it raises ValueError on a bad port
    except ValueError:
        return urlsplit("")
    return parts


def link_host(link: str) -> str:
    """Return the host that `link` leads to, in ASCII and lower case, without "www."; empty where it leads nowhere."""
    return normalize_host(split_link(link).hostname or "")


def normalize_host(host: str) -> str:
    """Return `host` in ASCII and lower case, without "www." and the last dot; empty where no browser accepts it."""
    plain = ascii_host(host)
    without_www = plain.removeprefix("www.")
    return without_www if "." in without_www else plain


def ascii_host(host: str) -> str:
    """Return `host` in ASCII and lower case, without the last dot; empty where no browser accepts it."""
    if is_ip_address(host):
        return host
    try:
        # Not `host.encode("idna")`: that is the standard of 2003, which browsers have left ("faß" is not "fass").
        readable = idna.uts46_remap(unquote(host).lower(), std3_rules=False, transitional=False)
    except (idna.IDNAError, UnicodeError):
        return ""
    labels = readable.removesuffix(".").split(".")
    plain = ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)
    return plain if len(plain) <= MAX_HOST_LENGTH and HOST_PATTERN.fullmatch(plain) else ""


def web_origin(url: str) -> str:
    """Return the origin of a web address as browsers write it, such as `https://www.example.com`; empty without one."""
    parts = split_link(url)
    host = ascii_host(parts.hostname or "")
    if not WEB_SCHEME_PATTERN.match(url.strip(CONTROLS_AND_SPACE)) or not host:
        return ""
    shown_host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{shown_host}{port}"


def is_web_link(url: Any) -> bool:
    """Return whether `url` is the full address of a page: its scheme is http or https, and it has a host."""
    return isinstance(url, str) and bool(re.match(r"https?://", url, re.IGNORECASE)) and bool(link_host(url))


def find_link_faults(link: str) -> list[str]:
    """Return why `link` should not be sent, as ends of a sentence that begins with the link."""
    parts, host = split_link(link), link_host(link)
    problems = []
    if parts.scheme not in WEB_SCHEMES or not host:
        problems.append("is not an ordinary web address")
    if "@" in parts.netloc:
        problems.append("contains a name or password before its host")
    if is_ip_address(host):
        problems.append("leads to an IP number instead of a host name")
    if not parts.netloc.isascii() or any(label.startswith("xn--") for label in host.split(".")):
        problems.append("leads to a host with letters that may look like others")
    if host in SHORTENER_HOSTS:
        problems.append("is shortened and hides where it leads")
    if carries_data(parts):
        problems.append("carries data")
    return problems


def is_host_within(host: str, hosts: Iterable[str]) -> bool:
    """Return whether `host` is one of `hosts` or a subdomain of one of them."""
    return any(host == one or host.endswith(f".{one}") for one in hosts)


def is_ip_address(host: str) -> bool:
    """Return whether `host` is an IP number, however it is written (127.0.0.1, 0x7f.1, 2130706433, ::1)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(NUMERIC_HOST_PATTERN.fullmatch(host))
    return True


def carries_data(parts: SplitResult) -> bool:
    """Return whether a link carries values: in its query, after a #, or in a path that is not one."""
    fragment, path = unquote(parts.fragment), unquote(parts.path)
    has_odd_characters = any(unicodedata.category(character)[0] not in "LNPS" for character in path)
    return (
        bool(parts.query)
        or bool(re.search(r"[=@/?&%]|.{40}", fragment))
        or "@" in path
        or "=" in path
        or has_odd_characters
        or len(path) > MAX_PATH_LENGTH
    )
