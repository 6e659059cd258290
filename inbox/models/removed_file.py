"""Files of purged messages and of drafts."""

from django.db import models


class RemovedFile(models.Model):
    """A file that a purged message or a draft had, or a part of one. A job deletes it if nothing else has it.

    Written by the database triggers `messages_list_removed_files` and `drafts_list_removed_files`.
    """

    path = models.CharField(max_length=500)
    # The part of the file that held the source of the email; empty for the whole file.
    start = models.PositiveBigIntegerField(null=True)
    size = models.PositiveBigIntegerField(null=True)

    class Meta:
        db_table = "removed_files"
        default_permissions = ()

    def __str__(self) -> str:
        return self.path
