"""Files of messages: kept in Django's storage under their digest, which is verified when they are read."""

import hashlib
import re
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from crm.exceptions import IllegalTransition
from inbox.incoming.mime.parts import EmailFile

OUTGOING_FOLDER, INCOMING_FOLDER, SOURCE_FOLDER = "outgoing", "incoming", "source"
MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024


def store_attachment(name: str, type: str, data: bytes, *, inline: bool = False) -> dict[str, Any]:
    """Store an outgoing file and return its entry for `Message.attachments`.

    The entry holds name, type, size, storage path and digest. The same bytes under the same name are stored only once.
    A mail program displays an `inline` file, such as an invitation, within the message.

    Raises:
        IllegalTransition: the file is too large to send.
    """
    if len(data) > MAX_ATTACHMENT_BYTES:
        raise IllegalTransition(
            f"“{name}” is too large to send: it has {len(data):,} bytes; the limit is {MAX_ATTACHMENT_BYTES:,} bytes."
        )
    digest = hashlib.sha256(data).hexdigest()
    stored = f"{OUTGOING_FOLDER}/{digest[:2]}/{digest}/{safe_filename(name)}"
    if not default_storage.exists(stored):
        stored = default_storage.save(stored, ContentFile(data))
    entry = {"name": name, "type": type, "size": len(data), "stored": stored, "sha256": digest}
    return {**entry, "inline": True} if inline else entry


def store_received_file(received: EmailFile, url: str) -> dict[str, Any]:
    """Store a received file under its digest, whatever its name, and return its entry for `Message.attachments`.

    The entry of an image in the formatted text has its `content_id`, that of a calendar its `invitation`.
    """
    data = received.data
    digest = hashlib.sha256(data).hexdigest()
    stored = f"{INCOMING_FOLDER}/{digest[:2]}/{digest}"
    if not default_storage.exists(stored):
        stored = default_storage.save(stored, ContentFile(data))
    entry = {"name": received.name, "type": received.type, "size": len(data), "url": url}
    entry |= {"stored": stored, "sha256": digest}
    details = {"content_id": received.content_id, "invitation": received.invitation}
    return entry | {name: value for name, value in details.items() if value}


def store_source(raw: bytes) -> str:
    """Store the source of a received email and return its digest; empty if sources are not kept."""
    if not settings.KEEP_EMAIL_SOURCE:
        return ""
    digest = hashlib.sha256(raw).hexdigest()
    if not default_storage.exists(source_path(digest)):
        default_storage.save(source_path(digest), ContentFile(raw))
    return digest


def read_source(digest: str) -> bytes:
    """Return the source of an email, stored under `digest`.

    Raises:
        IllegalTransition: the source was not kept, is missing, or has changed since it was stored.
    """
    if not digest:
        raise IllegalTransition("The original of this email was not kept.")
    return read_attachment({"name": "original.eml", "stored": source_path(digest), "sha256": digest})


def source_path(digest: str) -> str:
    return f"{SOURCE_FOLDER}/{digest[:2]}/{digest}.eml"


def read_attachment(entry: dict[str, Any]) -> bytes:
    """Return the stored bytes of `entry`.

    Raises:
        IllegalTransition: the file is missing, or has changed since it was stored.
    """
    try:
        with default_storage.open(entry["stored"]) as file:
            data = file.read()
    except (OSError, KeyError):
        raise IllegalTransition(f"The file “{entry.get('name', '')}” is missing from the storage.") from None
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise IllegalTransition(f"The file “{entry['name']}” has changed since it was stored.")
    return data


def safe_filename(name: str) -> str:
    """Return `name` reduced to characters that every file system allows."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[-100:] or "file"
