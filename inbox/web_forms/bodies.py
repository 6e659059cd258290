"""Read the body of a request as the fields of a form: URL-encoded, multipart or JSON.

The size is checked before anything is read. Field names and values are text that the database can store.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from crm.text.charsets import decode_text
from crm.text.cleaning import normalize_line_ends, storable_text
from inbox.models import RefusalReason
from inbox.web_forms.refusals import FormRefused

# A letter takes up to twelve bytes in a URL-encoded body.
MAX_BODY_BYTES = 256_000
MAX_FIELDS = 60
# Maps each byte to one character, so that the bytes can be decoded field by field.
BYTES_AS_TEXT = "latin-1"
UTF_8_NAMES = frozenset({"", "utf-8", "utf8"})
JSON_TYPE = "application/json"
TYPES_SENTENCE = "Send the form as application/x-www-form-urlencoded, multipart/form-data or application/json."
RawFields = Iterable[tuple[str, str]]


def read_fields(request: HttpRequest) -> dict[str, str]:
    """Return the fields that `request` sends, each once.

    Raises:
        FormRefused: the body is too large, of another type, or cannot be read.
    """
    reader = READERS.get((request.content_type or "").lower())
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if reader is None or encoding != "identity":
        sentence = TYPES_SENTENCE if reader is None else f"Send the form without compression; it is {encoding[:20]}."
        raise FormRefused(RefusalReason.FORMAT, sentence, status=415)
    check_size(request)
    try:
        fields = list(reader(request))
    except (UnreadablePostError, OSError):
        raise unreadable("The form arrived incomplete. Send it again.") from None
    if len(fields) > MAX_FIELDS:
        raise too_many_fields()
    return merge_fields(fields)


def check_size(request: HttpRequest) -> None:
    """Refuse a body that is too large, or has no stated length, before it is read."""
    if request.headers.get("Transfer-Encoding"):
        raise FormRefused(RefusalReason.SIZE, "Send the length of the form (Content-Length).", status=411)
    length = request.headers.get("Content-Length") or "0"
    if not length.isdecimal() or int(length[:12]) > MAX_BODY_BYTES:
        raise FormRefused(RefusalReason.SIZE, f"The form is too large: at most {MAX_BODY_BYTES:,} bytes are accepted.")


def unreadable(sentence: str) -> FormRefused:
    return FormRefused(RefusalReason.FORMAT, sentence)


def too_many_fields() -> FormRefused:
    return unreadable(f"The form has too many fields: at most {MAX_FIELDS} are accepted.")


def merge_fields(fields: RawFields) -> dict[str, str]:
    """Return `fields` by name; one that is sent twice, with different values, is refused."""
    merged: dict[str, str] = {}
    for name, value in fields:
        name, value = storable_text(name), normalize_line_ends(storable_text(value))
        if merged.get(name) not in (None, "", value) and value:
            sentence = f"The field “{name[:60]}” is sent twice, with different values."
            raise FormRefused(RefusalReason.FORMAT, sentence, field_errors={name[:60]: "Send one value."})
        merged[name] = value or merged.get(name, "")
    return merged


def read_urlencoded(request: HttpRequest) -> Iterator[tuple[str, str]]:
    text = request.body.decode(BYTES_AS_TEXT)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, encoding=BYTES_AS_TEXT)
    except ValueError:
        raise too_many_fields() from None
    return decode_pairs(pairs, declared_charset(request))


def read_multipart(request: HttpRequest) -> Iterator[tuple[str, str]]:
    try:
        parser = MultiPartParser(request.META, request, request.upload_handlers, BYTES_AS_TEXT)
        posted, files = parser.parse()
    except (MultiPartParserError, SuspiciousOperation):
        raise unreadable("The form cannot be read. Send it again.") from None
    if files:
        raise unreadable("This form takes no files. Send the message without them.")
    pairs = [(name, value) for name, values in posted.lists() for value in values]
    return decode_pairs(pairs, declared_charset(request))


def read_json(request: HttpRequest) -> Iterator[tuple[str, str]]:
    try:
        value = json.loads(request.body.decode("utf-8-sig"), object_pairs_hook=list, parse_constant=refuse_constant)
    except UnicodeDecodeError:
        raise unreadable("The JSON is not encoded as UTF-8.") from None
    except (ValueError, RecursionError):
        raise unreadable("The form is not valid JSON.") from None
    # An object is a list of pairs, a list is not: an empty one is the same as an empty object.
    if not isinstance(value, list) or not all(isinstance(pair, tuple) for pair in value):
        raise unreadable("The JSON must be an object with a text for each field.")
    errors = {name[:60]: "This must be a text." for name, one in value if isinstance(one, list)}
    if errors:
        message = " ".join(f"“{name}” must be a text." for name in errors)
        raise FormRefused(RefusalReason.FORMAT, message[:300], field_errors=dict(list(errors.items())[:MAX_FIELDS]))
    return ((name, json_text(one)) for name, one in value if one is not None)


def refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(name)


def json_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def declared_charset(request: HttpRequest) -> str:
    charset = str(request.content_params.get("charset", "")).lower()
    return "" if charset in UTF_8_NAMES else charset


def decode_pairs(pairs: RawFields, charset: str) -> Iterator[tuple[str, str]]:
    """Decode texts of single bytes with `charset`, else as UTF-8 or Windows-1252."""
    for name, value in pairs:
        yield decode_text(name.encode(BYTES_AS_TEXT), charset), decode_text(value.encode(BYTES_AS_TEXT), charset)


READERS: dict[str, Callable[[HttpRequest], RawFields]] = {
    "application/x-www-form-urlencoded": read_urlencoded,
    "multipart/form-data": read_multipart,
    JSON_TYPE: read_json,
}
