"""What messages can be found by."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Now

from inbox.models.message import Message
from inbox.models.thread import Thread


class MessageWords(models.Model):
    """The words of a live message, kept by the database (migration 0010) and only searched.

    They stand beside the messages and not in them, so that whoever reads a message does not read its words twice, and
    the newest are gone through without reading what was said.
    """

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="words")
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="+")
    sent_at = models.DateTimeField(db_default=Now())
    # A: subject, B: people, C: summary, D: what was said, its own words only.
    words = SearchVectorField()

    class Meta:
        db_table = "message_words"
        default_permissions = ()
        indexes = [
            # Few are new at any time: a search reads what is not sorted in yet from end to end.
            GinIndex("words", name="message_words_found", gin_pending_list_limit=1024),
            models.Index(models.F("sent_at").desc(), models.F("message").desc(), name="message_words_newest"),
        ]

    def __str__(self) -> str:
        return f"Words of {self.message_id}"
