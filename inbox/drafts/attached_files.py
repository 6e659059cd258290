"""The files of a draft: attach and remove them."""

import re
from collections.abc import Sequence

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.text.hidden_characters import strip_hidden_characters
from inbox.attachments import MAX_ATTACHMENT_BYTES, store_attachment
from inbox.drafts.transitions import lock_own_draft, save_version
from inbox.models import Draft

MAX_ATTACHMENTS, MAX_FILE_NAME_LENGTH = 10, 150
# Other types, such as multipart/*, would not be treated as a file by a mail program.
SAFE_CONTENT_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,90}")


@transaction.atomic
def attach(draft: Draft, files: Sequence[UploadedFile], *, by: User) -> Draft:
    """Add `files` to `draft`.

    Raises:
        IllegalTransition: there are too many files, they are too large, or the draft no longer exists.
    """
    draft = lock_own_draft(draft.pk, by)
    if len(draft.attachments) + len(files) > MAX_ATTACHMENTS:
        raise IllegalTransition(f"An email can have at most {MAX_ATTACHMENTS} files. Remove some.")
    total = sum(entry["size"] for entry in draft.attachments) + sum(file.size for file in files)
    if total > MAX_ATTACHMENT_BYTES:
        raise IllegalTransition(
            f"The files have {total:,} bytes in total; the limit is {MAX_ATTACHMENT_BYTES:,} bytes."
        )
    for file in files:
        kind = (file.content_type or "").lower()
        safe_type = kind if SAFE_CONTENT_TYPE.fullmatch(kind) else "application/octet-stream"
        draft.attachments.append(store_attachment(safe_file_name(file.name), safe_type, file.read()))
    return save_version(draft)


def safe_file_name(name: str | None) -> str:
    """Return the file name for the email: the last part of the path, without hidden characters."""
    last = strip_hidden_characters(re.split(r"[/\\]", name or "")[-1]).replace('"', "'").strip(". ")
    stem, dot, ending = last.rpartition(".")
    if dot and len(ending) <= 10:
        return f"{stem[: MAX_FILE_NAME_LENGTH - len(ending) - 1]}.{ending}"
    return last[:MAX_FILE_NAME_LENGTH] or "file"


@transaction.atomic
def detach(draft: Draft, digest: str, *, by: User) -> Draft:
    """Remove the file with `digest` from `draft`."""
    draft = lock_own_draft(draft.pk, by)
    draft.attachments = [entry for entry in draft.attachments if entry["sha256"] != digest]
    return save_version(draft)
