"""Files of messages: kept in Django's storage under their digest, which is verified when they are read."""

import hashlib
import re
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from crm.exceptions import IllegalTransition
from inbox.incoming.mime.parts import EmailFile

OUTGOING_FOLDER, INCOMING_FOLDER = "outgoing", "incoming"
MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024
# Messages being stored share the files; a job that deletes files has them alone.
SHARE_FILES_SQL = "SELECT pg_advisory_xact_lock_shared(hashtextextended('files of messages', 0))"
LOCK_FILES_SQL = "SELECT pg_advisory_xact_lock(hashtextextended('files of messages', 0))"


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
    stored = store_once(stored, data)
    entry = {"name": name, "type": type, "size": len(data), "stored": stored, "sha256": digest}
    return {**entry, "inline": True} if inline else entry


def store_received_file(received: EmailFile, url: str) -> dict[str, Any]:
    """Store a received file under its digest, whatever its name, and return its entry for `Message.attachments`.

    The entry of an image in the formatted text has its `content_id`, that of a calendar its `invitation`.
    """
    data = received.data
    digest = hashlib.sha256(data).hexdigest()
    stored = store_once(f"{INCOMING_FOLDER}/{digest[:2]}/{digest}", data)
    entry = {"name": received.name, "type": received.type, "size": len(data), "url": url}
    entry |= {"stored": stored, "sha256": digest}
    details = {"content_id": received.content_id, "invitation": received.invitation}
    return entry | {name: value for name, value in details.items() if value}


def store_once(path: str, data: bytes) -> str:
    """Store `data` under `path`, which its digest names, unless it is there; return its path.

    Until the end of the transaction, no job deletes the file.
    """
    with connection.cursor() as cursor:
        cursor.execute(SHARE_FILES_SQL)
    return path if default_storage.exists(path) else default_storage.save(path, ContentFile(data))


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
