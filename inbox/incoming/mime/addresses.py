"""Reads the senders and recipients of an email as it names them, valid or not. Pure: no database."""

import email.utils
import re
from functools import lru_cache

from crm.text.hidden_characters import has_hidden_characters
from inbox.incoming.mime.headers import ENCODED_WORD, HeaderLines, decode_encoded_words, single_line

MAX_DISPLAY_NAME_LENGTH, MAX_ADDRESS_LENGTH, MAX_ADDRESSES = 200, 254, 2_000
# Newer versions of Python refuse a whole list for one malformed address, unless told otherwise.
LENIENT = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}
# Stands for an encoded word while a list is split: a comma in a name must not separate two addresses.
PLACEHOLDER = re.compile("\ue000(\\d{1,4})\ue001")
MAX_HEADER_LENGTH, MAX_ENCODED_WORDS = 200_000, 9_999
ADDRESS = re.compile(
    r"(?:\"[^\"\\]{1,64}\"|[^\s<>()\[\],;:\"@]{1,200})@(?:[^\s<>()\[\],;:\"@]{1,200}|\[[0-9a-f.:]{1,60}\])",
    re.IGNORECASE,
)
# A name that looks like an address, before the address itself: "lee@old.example <lee@new.example>".
ADDRESS_AS_NAME = re.compile(r"(?:(?<=[,;])|^)(\s*)([^\s<>,;:\"@]{1,100}@[^\s<>,;:\"@]{1,200})(?=\s*<[^<>]*@)")
MAILTO = re.compile(r"<\s*mailto:", re.IGNORECASE)
# The syntax around an address, without which nothing of a text is left.
SYNTAX_ONLY = re.compile(r"[\s<>,;:()\"]*")

NamedAddress = tuple[str, str]


def parse_addresses(head: HeaderLines, name: str) -> list[NamedAddress]:
    """Return the names and addresses in the headers called `name`, in order, as the email gives them."""
    return [one for value in head.get(name, ()) for one in parse_address_list(value)[0]][:MAX_ADDRESSES]


def parse_nameless(head: HeaderLines, name: str) -> list[str]:
    """Return what the headers called `name` hold beside addresses, such as "Team:;"."""
    return [one for value in head.get(name, ()) for one in parse_address_list(value)[1]][:MAX_ADDRESSES]


@lru_cache(4_096)
def parse_address_list(value: str) -> tuple[tuple[NamedAddress, ...], tuple[str, ...]]:
    """Return the names and addresses in `value`, and the texts that hold no address. Senders recur, hence the cache."""
    value = MAILTO.sub("<", ADDRESS_AS_NAME.sub(r'\1"\2"', value[:MAX_HEADER_LENGTH]))
    found, texts = [], []
    for name, address in split_entries(value):
        if "=?" in address:  # some programs encode name and address together
            entries = split_entries(decode_encoded_words(f"{name} {address}"))
        else:
            entries = [(decode_encoded_words(name), address)]
        for one in entries:
            read_entry(*map(single_line, one), found, texts)
    if value.count("@") > len(found) or not found:  # the parser of the standard library drops some
        add_dropped(single_line(decode_encoded_words(value)), found, texts)
    return tuple(found), tuple(texts)


def add_dropped(value: str, found: list[NamedAddress], texts: list[str]) -> None:
    """Add the addresses of `value` that are in neither list; without any address, `texts` becomes the whole `value`."""
    kept = "\n".join([*(f"{name}\n{address}" for name, address in found), *texts]).lower()
    dropped = [match[0] for match in ADDRESS.finditer(value) if match[0].lower() not in kept and is_address(match[0])]
    if found:
        texts += dropped
    elif dropped:
        found += [("", one.lower()) for one in dropped]
    else:
        texts[:] = [] if SYNTAX_ONLY.fullmatch(value) else [value[:MAX_DISPLAY_NAME_LENGTH]]


def split_entries(value: str) -> list[NamedAddress]:
    """Return the entries of a list, undecoded. A comma in an encoded word does not separate two entries."""
    words: list[str] = []

    def hide(match: re.Match[str]) -> str:
        words.append(match[0])
        return f"\ue000{len(words) - 1}\ue001"

    def show(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: words[int(match[1])] if int(match[1]) < len(words) else "", text)

    hidden = ENCODED_WORD.sub(hide, value, count=MAX_ENCODED_WORDS) if "=?" in value else value
    return [(show(name), show(address)) for name, address in email.utils.getaddresses([hidden], **LENIENT)]


def read_entry(name: str, address: str, found: list[NamedAddress], texts: list[str]) -> None:
    """Add an entry to `found`, or to `texts` if it holds no address."""
    match = (
        None if is_address(address) else next(filter(lambda one: is_address(one[0]), ADDRESS.finditer(address)), None)
    )
    if match:
        name, address = name or address[: match.start()].strip(), match[0]
    if match or is_address(address):
        found.append((name[:MAX_DISPLAY_NAME_LENGTH], address.lower()))
    elif name or address:
        texts.append(" ".join(filter(None, (name, address)))[:MAX_DISPLAY_NAME_LENGTH])


@lru_cache(4_096)
def is_address(text: str) -> bool:
    """Return whether `text` can be kept as an address, valid or not."""
    return len(text) <= MAX_ADDRESS_LENGTH and bool(ADDRESS.fullmatch(text)) and not has_hidden_characters(text)
