"""Files that go out with messages: kept in Django's storage, found again by name and checked by their digest."""

import hashlib
import re
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from crm.exceptions import IllegalTransition

OUTGOING_FOLDER, INCOMING_FOLDER = "outgoing", "incoming"
MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024


def store_attachment(name: str, type: str, data: bytes, *, inline: bool = False) -> dict[str, Any]:
    """Store `data`; what a message notes of it: name, type, size, where it is stored, and its digest.

    The same bytes under the same name are stored once, however often they are kept. `inline` is what a mail program
    shows by itself, such as an invitation.

    Raises:
        IllegalTransition: it is too large to be mailed.
    """
    if len(data) > MAX_ATTACHMENT_BYTES:
        raise IllegalTransition(
            f"“{name}” is too large to be mailed: {len(data):,} bytes, and at most {MAX_ATTACHMENT_BYTES:,} go."
        )
    digest = hashlib.sha256(data).hexdigest()
    stored = f"{OUTGOING_FOLDER}/{digest[:2]}/{digest}/{safe_filename(name)}"
    if not default_storage.exists(stored):
        stored = default_storage.save(stored, ContentFile(data))
    entry = {"name": name, "type": type, "size": len(data), "stored": stored, "sha256": digest}
    return {**entry, "inline": True} if inline else entry


def store_received_file(name: str, type: str, data: bytes, url: str) -> dict[str, Any]:
    """Store a file that came in; what a message notes of it. Whatever it is called, it lies under its digest."""
    digest = hashlib.sha256(data).hexdigest()
    stored = f"{INCOMING_FOLDER}/{digest[:2]}/{digest}"
    if not default_storage.exists(stored):
        stored = default_storage.save(stored, ContentFile(data))
    return {"name": name, "type": type, "size": len(data), "url": url, "stored": stored, "sha256": digest}


def read_attachment(entry: dict[str, Any]) -> bytes:
    """The bytes that were kept under `entry`.

    Raises:
        IllegalTransition: they are no longer there, or no longer the same.
    """
    try:
        with default_storage.open(entry["stored"]) as file:
            data = file.read()
    except (OSError, KeyError):
        raise IllegalTransition(f"The file “{entry.get('name', '')}” is not where it was stored.") from None
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise IllegalTransition(f"The file “{entry['name']}” is no longer what was to be sent.")
    return data


def safe_filename(name: str) -> str:
    """`name` as a file of any system may be called."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[-100:] or "file"
