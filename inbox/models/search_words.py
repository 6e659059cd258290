"""The full-text search index of messages."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Now

from inbox.models.message import Message
from inbox.models.thread import Thread


class MessageWords(models.Model):
    """The search words of a live message, maintained by database triggers (migration 0002).

    They have a table of their own so that loading a message does not load its words too, and so that a search can scan
    the newest words without reading the messages.
    """

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="words")
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="+")
    sent_at = models.DateTimeField(db_default=Now())
    # Weights: A subject, B people, C summary, D the text without quotes.
    words = SearchVectorField()

    class Meta:
        db_table = "message_words"
        default_permissions = ()
        indexes = [
            # A search reads the pending list of the index from end to end, so the list is kept short.
            GinIndex("words", name="message_words_found", gin_pending_list_limit=1024),
            models.Index(models.F("sent_at").desc(), models.F("message").desc(), name="message_words_newest"),
        ]

    def __str__(self) -> str:
        return f"Words of {self.message_id}"
