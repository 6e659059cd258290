"""Delete the stored files of purged messages and of drafts."""

from django.core.files.storage import default_storage
from django.db import connection, transaction

from inbox.attachments import LOCK_FILES_SQL
from inbox.incoming.sources import erase_source
from inbox.models import Draft, Message, RemovedFile

MAX_DELETED_FILES = 500


@transaction.atomic
def delete_removed_files() -> int:
    """Delete files of purged messages and of drafts that nothing else has; return how many were considered.

    A crash in between repeats the rest: to delete a file again changes nothing.
    """
    rows = list(RemovedFile.objects.select_for_update(skip_locked=True).order_by("pk")[:MAX_DELETED_FILES])
    if not rows:
        return 0
    with connection.cursor() as cursor:
        # No message that is being stored may count on a file that is being deleted.
        cursor.execute(LOCK_FILES_SQL)
    for row in rows:
        if row.start is None:
            delete_attachment(row.path)
        else:
            delete_source(row.path, row.start, row.size)
    return RemovedFile.objects.filter(pk__in=[row.pk for row in rows]).delete()[0]


def delete_attachment(path: str) -> None:
    """Delete the attachment stored at `path`, unless a message or a draft has it."""
    entry = [{"stored": path}]
    in_use = Message.everything.filter(attachments__contains=entry).exclude(attachments=[]).exists()
    if not in_use and not Draft.everything.filter(attachments__contains=entry).exists():
        default_storage.delete(path)


def delete_source(path: str, start: int, size: int) -> None:
    """Delete the source of an email from the file at `path`; with the last source, the file is deleted."""
    others = Message.everything.filter(source_path=path).exclude(source_path="")
    if not others.exists():
        default_storage.delete(path)
    elif not others.filter(source_start=start).exists():
        erase_source(path, start, size)
