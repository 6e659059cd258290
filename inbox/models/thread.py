"""Threads: stored conversations on any channel."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan
from django.utils import timezone

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    choices_check,
    json_field,
    json_type_check,
    search_field,
    search_index,
    with_row_audit,
)
from crm.records.owners import Assignable, AssignableQuerySet, record_owner_index


class ThreadSource(models.TextChoices):
    EMAIL = "EMAIL", "Email"
    CALL = "CALL", "Call"
    SMS = "SMS", "SMS"
    MEETING = "MEETING", "Meeting"
    CHAT = "CHAT", "Chat"
    FORM = "FORM", "Form"
    NOTE = "NOTE", "Note"
    DOCUMENT = "DOCUMENT", "Document"


class ThreadStatus(models.TextChoices):
    OPEN = "OPEN", "Open"
    RESOLVED = "RESOLVED", "Resolved"
    ARCHIVED = "ARCHIVED", "Archived"


THREAD_TRANSITIONS = {
    ThreadStatus.OPEN: {ThreadStatus.RESOLVED, ThreadStatus.ARCHIVED},
    ThreadStatus.RESOLVED: {ThreadStatus.OPEN, ThreadStatus.ARCHIVED},
    ThreadStatus.ARCHIVED: {ThreadStatus.OPEN},
}


class Sentiment(models.TextChoices):
    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"
    URGENT = "urgent"


class Direction(models.TextChoices):
    IN = "in", "Received"
    OUT = "out", "Sent"


# Channels that keep the other side's own words. The notes of a call or a meeting are ours.
VERBATIM_SOURCES = (ThreadSource.EMAIL, ThreadSource.SMS, ThreadSource.CHAT, ThreadSource.FORM)
# Channels that are answered by email: a web form leaves the address of its sender.
EMAIL_SOURCES = (ThreadSource.EMAIL, ThreadSource.FORM)
# The time of the last message, or of creation if there is none.
LAST_ACTIVITY = Coalesce("last_message_at", "created_at")
# The time that a snooze lasts until; the creation for a thread without one, so that each thread has a place in order.
SNOOZE_END = Coalesce("snoozed_until", "created_at")
# A snooze cannot be longer.
MAX_SNOOZE = timedelta(days=366)
# When a booked call or meeting begins, as ISO text.
STARTS_AT = KeyTextTransform("starts_at", "metadata")
IS_UNLINKED = models.Q(status=ThreadStatus.OPEN, lead__isnull=True, client__isnull=True)
IS_UNPROCESSED = models.Q(models.Q(lead__isnull=False) | IS_UNLINKED, processed_at__isnull=True)


# The metadata key under which a merged thread stores the ID of the thread it was merged into.
MERGED_INTO_KEY, MAX_MERGE_HOPS = "part_of", 20


def is_awake(now: datetime) -> models.Q:
    """Return the condition of the threads that are not snoozed at `now`."""
    return models.Q(snoozed_until__isnull=True) | models.Q(snoozed_until__lte=now)


class ThreadQuerySet(AssignableQuerySet):
    """Named sets of threads."""

    def awake(self) -> "ThreadQuerySet":
        """Return the threads that are not snoozed. A snooze ends by itself: no job has to notice its time."""
        return self.filter(is_awake(timezone.now()))

    def snoozed(self) -> "ThreadQuerySet":
        """Return the threads that are snoozed now, the next to come back first."""
        rows = self.filter(GreaterThan(SNOOZE_END, timezone.now()), snoozed_until__isnull=False)
        return rows.order_by(SNOOZE_END, "id")

    def needs_reply(self) -> "ThreadQuerySet":
        """Return open threads with an unanswered message from outside that are not snoozed, longest wait first."""
        rows = self.filter(status=ThreadStatus.OPEN, last_direction=Direction.IN)
        return rows.awake().order_by(LAST_ACTIVITY, "id")

    def waiting_on_them(self) -> "ThreadQuerySet":
        """Return open threads with an unanswered message of ours that are not snoozed, longest silence first."""
        return self.filter(status=ThreadStatus.OPEN, awaiting_reply=True).awake().order_by(LAST_ACTIVITY, "id")

    def meetings_between(self, first: date, last: date) -> "ThreadQuerySet":
        """Return the open meetings that are booked from the day `first` until before `last`, as their texts sort."""
        rows = self.filter(status=ThreadStatus.OPEN, source=ThreadSource.MEETING).alias(_starts=STARTS_AT)
        return rows.filter(_starts__gte=first.isoformat(), _starts__lt=last.isoformat())

    def of_policies(self, keys: Iterable[UUID]) -> "ThreadQuerySet":
        """Return the open email threads about the policies `keys`, the latest first."""
        rows = self.filter(policy__in=keys, status=ThreadStatus.OPEN, source=ThreadSource.EMAIL)
        return rows.order_by(LAST_ACTIVITY.desc(), "-id")

    def oldest_turns(self) -> dict[str, datetime | None]:
        """Return since when a thread needs our reply, and since when we wait for theirs; None where none does."""
        rows = self.order_by().annotate(last_activity=LAST_ACTIVITY)
        conditions = {
            "needs_reply": models.Q(status=ThreadStatus.OPEN, last_direction=Direction.IN),
            "waiting_on_them": models.Q(status=ThreadStatus.OPEN, awaiting_reply=True),
        }
        awake = is_awake(timezone.now())
        return rows.aggregate(
            **{key: models.Min("last_activity", filter=awake & one) for key, one in conditions.items()}
        )

    def unprocessed(self) -> "ThreadQuerySet":
        """Return the threads of leads, and unlinked ones, that changed since their job last ran, newest first."""
        return self.live().filter(IS_UNPROCESSED).order_by(LAST_ACTIVITY.desc(), "-id")

    def unlinked(self) -> "ThreadQuerySet":
        """Return open threads without a lead or client."""
        return self.filter(IS_UNLINKED)


@with_row_audit(
    exclude=[
        "last_message_at",
        "message_count",
        "awaiting_reply",
        "last_direction",
        "search_text",
        "owner",
        "record_owner",
        "restriction",
        "processed_at",
    ]
)
class Thread(Assignable):
    """A stored conversation: its messages, participants, owner and status."""

    # The mailbox that its emails came to; None for a conversation that a person logged.
    mailbox = models.ForeignKey(
        "inbox.Mailbox", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads"
    )
    source = models.CharField(max_length=10, choices=ThreadSource)
    subject = models.CharField(max_length=500, blank=True, default="", db_default="")
    status = models.CharField(
        max_length=10, choices=ThreadStatus, default=ThreadStatus.OPEN, db_default=ThreadStatus.OPEN
    )
    lead = models.ForeignKey(
        "leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads", db_index=False
    )
    client = models.ForeignKey("crm.Client", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads")
    project = models.ForeignKey("crm.Project", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads")
    # The policy that it is about, such as its renewal.
    policy = models.ForeignKey(
        "leads.Policy", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads", db_index=False
    )
    # The user who should reply, if not the owner of the lead or client.
    assigned_to = models.ForeignKey(
        "crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    # As in the base, but its index is "threads_of_owner", which begins with it.
    owner = models.ForeignKey(
        "crm.User", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    participant_emails = ArrayField(
        models.EmailField(),
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.EmailField())),
    )
    last_message_at = models.DateTimeField(null=True, blank=True)
    # The direction of the unanswered message; empty where it is no one's turn.
    last_direction = models.CharField(max_length=3, choices=Direction, blank=True, default="", db_default="")
    message_count = models.PositiveIntegerField(default=0, db_default=0)
    awaiting_reply = models.BooleanField(default=False, db_default=False)
    sentiment = models.CharField(max_length=10, choices=Sentiment, null=True, blank=True)
    # Until then it is in none of the queues, unless the other side writes first. A past time says when it came back.
    snoozed_until = models.DateTimeField(null=True, blank=True, editable=False)
    snoozed_by = models.ForeignKey(
        "crm.User",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    # When its job last ran (`agents.process_threads`); None once something changed since, which queues the job again.
    processed_at = models.DateTimeField(null=True, blank=True, editable=False)
    metadata = json_field(dict)
    search_text = search_field("subject")
    # In memory: the newest of the messages that were added since it was read, also of those that are no contact.
    new_activity_at: datetime | None = None
    # In memory: whether a message that was added since it was read ended its snooze.
    was_woken: bool = False

    objects = LiveManager.from_queryset(ThreadQuerySet)()
    everything = models.Manager.from_queryset(ThreadQuerySet)()

    class Meta(Record.Meta):
        db_table = "threads"
        verbose_name = "conversation"
        permissions = [
            ("reassign_thread", "Can reassign a colleague's conversation"),
            ("restore_thread", "Can restore a deleted conversation"),
            ("purge_thread", "Can purge a conversation permanently"),
        ]
        constraints = [
            choices_check("threads", "source", ThreadSource),
            choices_check("threads", "status", ThreadStatus),
            choices_check("threads", "sentiment", Sentiment, null=True),
            models.CheckConstraint(
                name="threads_last_direction_valid",
                condition=models.Q(last_direction__in=["", *Direction.values]),
                violation_error_message="The last direction must be in, out or empty.",
            ),
            models.CheckConstraint(
                name="threads_participants_not_empty",
                condition=~models.Q(participant_emails__contains=[""]),
                violation_error_message="A participant has an empty address.",
            ),
            json_type_check("threads", "metadata", "object"),
            models.CheckConstraint(
                name="threads_snoozed_is_open",
                condition=models.Q(snoozed_until__isnull=True) | models.Q(status=ThreadStatus.OPEN),
                violation_error_message="Only an open conversation can be snoozed.",
            ),
            models.CheckConstraint(
                name="threads_snoozed_by_has_time",
                condition=models.Q(snoozed_by__isnull=True) | models.Q(snoozed_until__isnull=False),
                violation_error_message="A snoozed conversation needs the time until which it is snoozed.",
            ),
        ]
        indexes = [
            models.Index(
                LAST_ACTIVITY.desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="threads_newest",
            ),
            models.Index(
                "status",
                LAST_ACTIVITY.desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="threads_by_status",
            ),
            models.Index(
                LAST_ACTIVITY,
                "id",
                include=["snoozed_until"],
                condition=LIVE & models.Q(status=ThreadStatus.OPEN, last_direction=Direction.IN),
                name="threads_we_owe",
            ),
            models.Index(
                LAST_ACTIVITY,
                "id",
                include=["snoozed_until"],
                condition=LIVE & models.Q(status=ThreadStatus.OPEN, awaiting_reply=True),
                name="threads_they_owe",
            ),
            models.Index(
                SNOOZE_END,
                "id",
                condition=LIVE & models.Q(snoozed_until__isnull=False),
                name="threads_snoozed",
            ),
            models.Index("snoozed_by", condition=models.Q(snoozed_by__isnull=False), name="threads_snoozed_by"),
            models.Index(
                LAST_ACTIVITY.desc(),
                models.F("id").desc(),
                condition=LIVE & IS_UNLINKED,
                name="threads_unlinked",
            ),
            models.Index(
                LAST_ACTIVITY.desc(),
                models.F("id").desc(),
                condition=LIVE & IS_UNPROCESSED,
                name="threads_unprocessed",
            ),
            models.Index(
                LAST_ACTIVITY.desc(),
                models.F("id").desc(),
                condition=models.Q(deleted_at__isnull=False),
                name="threads_deleted",
            ),
            # The tabs of an agent are counted and read from it alone.
            models.Index(
                "owner",
                "status",
                LAST_ACTIVITY,
                "id",
                include=["last_direction", "awaiting_reply", "lead", "client", "restriction", "snoozed_until"],
                condition=LIVE,
                name="threads_of_owner",
            ),
            models.Index(
                "assigned_to",
                "status",
                LAST_ACTIVITY,
                "id",
                condition=models.Q(assigned_to__isnull=False),
                name="threads_assigned",
            ),
            # Most threads have no lead. Deleted threads are in it too: purging a lead clears them.
            models.Index(
                "lead",
                LAST_ACTIVITY.desc(),
                models.F("id").desc(),
                condition=models.Q(lead__isnull=False),
                name="threads_of_lead",
            ),
            models.Index(
                "policy",
                LAST_ACTIVITY.desc(),
                models.F("id").desc(),
                condition=models.Q(policy__isnull=False),
                name="threads_of_policy",
            ),
            models.Index(
                STARTS_AT,
                "id",
                include=["owner", "record_owner", "restriction"],
                condition=LIVE & models.Q(status=ThreadStatus.OPEN, source=ThreadSource.MEETING),
                name="threads_meetings",
            ),
            record_owner_index("threads"),
            GinIndex("participant_emails", condition=LIVE, name="threads_participants"),
            search_index("threads"),
        ]

    def __str__(self) -> str:
        return self.subject or f"{self.get_source_display()} without a subject"

    @property
    def last_activity_at(self) -> datetime:
        return self.last_message_at or self.created_at

    @property
    def is_snoozed(self) -> bool:
        return self.snoozed_until is not None and self.snoozed_until > timezone.now()

    @property
    def came_back_at(self) -> datetime | None:
        """When its snooze ended by itself; None if it is snoozed, or something happened since."""
        return None if self.is_snoozed else self.snoozed_until

    def end_snooze(self) -> None:
        """Forget the snooze, in memory."""
        self.snoozed_until = self.snoozed_by = None

    @property
    def accepts_email(self) -> bool:
        """Whether an email can be written into this thread: a form needs the address of its sender."""
        return self.source == ThreadSource.EMAIL or (self.source in EMAIL_SOURCES and bool(self.participant_emails))

    @property
    def merged_thread(self) -> "Thread":
        """This thread, or the thread that it was merged into."""
        current = self
        for _ in range(MAX_MERGE_HOPS):
            key = current.metadata.get(MERGED_INTO_KEY)
            next_thread = Thread.everything.filter(pk=key).first() if current.is_deleted and key else None
            if next_thread is None:
                return current
            current = next_thread
        return current
