"""Reply conflicts: new messages and other drafts in a thread while a reply is being written."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils.timesince import timesince

from crm.exceptions import InvalidInput
from crm.records.local_time import format_short_moment
from crm.text.hidden_characters import strip_hidden_characters
from inbox.models import Direction, Draft, EmailOrigin, Message, MessageState, Nature, Thread

MAX_WRITER_NAME_LENGTH, MAX_CONCURRENT_DRAFTS = 60, 3


class ReplyConflict(InvalidInput):
    """There is a newer message than the one a draft replies to. `newest_message_id` is the message to read first."""

    def __init__(self, draft: Draft, newest: Message) -> None:
        self.newest_message_id = newest.pk
        super().__init__(f"{describe_newer_message(draft, newest)} Send again if your reply still fits.")


def check_reply_conflict(draft: Draft, seen: UUID | None) -> None:
    """Refuse a draft if there is a newer message than the one it replies to.

    `seen` is the newer message that the author has been warned about.

    Raises:
        ReplyConflict: there is a newer message, and it is not `seen`.
    """
    newest = find_newer_message(draft)
    if newest is not None and newest.pk != seen:
        raise ReplyConflict(draft, newest)


def find_newer_message(draft: Draft) -> Message | None:
    """Return the newest message, received or outgoing, since the one that `draft` replies to.

    The author's own emails do not count. The time is that of the message replied to, not of the draft, because the page
    may have been open for hours before the draft was created.
    """
    if draft.thread_id is None:
        return None
    since = draft.reply_to.sent_at if draft.reply_to else draft.created_at
    rows = Message.objects.filter(thread=draft.thread_id, nature=Nature.PERSON, sent_at__gt=since)
    rows = rows.exclude(state__in=[MessageState.FAILED, MessageState.HELD]).exclude(
        delivery__ordered_by=draft.author_id, delivery__origin=EmailOrigin.COMPOSER
    )
    return rows.defer("body_text", "body_html").order_by("-sent_at", "-id").first()


def describe_newer_message(draft: Draft, newest: Message) -> str:
    """Return a sentence for the author of `draft` that says who wrote `newest`, and when."""
    writer, started_at, at = writer_name(newest, draft), draft.created_at, newest.sent_at
    if at < started_at:
        moment = format_short_moment(at)
        return f"{writer} wrote a newer message on {moment}. Read the message first."
    delay = timesince(started_at, at, depth=1).replace("\xa0", " ")
    delay = "less than a minute" if (at - started_at).total_seconds() < 60 else delay
    return f"{writer} wrote {delay} after you started this draft. Read the message first."


def writer_name(message: Message, draft: Draft) -> str:
    """Return "You" for the author of `draft`, else the name of the sender."""
    if message.direction == Direction.OUT and message.from_name == str(draft.author):
        return "You"
    return name_of_writer(message)


def name_of_writer(message: Message) -> str:
    """Return the sender's name without hidden characters (outsiders can choose any name), else the address."""
    fallback = "A colleague" if message.direction == Direction.OUT else "They"
    return strip_hidden_characters(message.from_name)[:MAX_WRITER_NAME_LENGTH].strip() or message.from_email or fallback


def concurrent_drafts(thread: Thread, *, exclude_author: UUID) -> QuerySet[Draft]:
    """Return the drafts of other users in `thread`, oldest first. Their content is private and not loaded."""
    rows = Draft.objects.filter(thread=thread, author__is_active=True).exclude(author=exclude_author)
    rows = rows.select_related("author").only("created_at", "updated_at", "author")
    return rows.order_by("created_at", "id")[:MAX_CONCURRENT_DRAFTS]
