"""Indexes: of the words, of the newest messages, and of what is assigned to whom."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("inbox", "0011_words_of_what_there_is")]
    operations = [
        AddIndexConcurrently(
            model_name="messagewords",
            index=GinIndex(models.F("words"), gin_pending_list_limit=1024, name="message_words_found"),
        ),
        AddIndexConcurrently(
            model_name="messagewords",
            index=models.Index(models.F("sent_at").desc(), models.F("message").desc(), name="message_words_newest"),
        ),
        AddIndexConcurrently(
            model_name="thread",
            index=models.Index(
                models.F("assigned_to"),
                models.F("status"),
                Coalesce("last_message_at", "created_at"),
                models.F("id"),
                condition=models.Q(assigned_to__isnull=False),
                name="threads_assigned",
            ),
        ),
    ]
