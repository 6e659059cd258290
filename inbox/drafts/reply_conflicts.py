"""What happened in a conversation while somebody was writing an answer in it."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.timesince import timesince

from crm.exceptions import InvalidInput
from crm.text.hidden_characters import strip_hidden_characters
from inbox.models import Direction, Draft, EmailOrigin, Message, MessageState, Nature, Thread

MAX_WRITER_NAME_LENGTH, MAX_CONCURRENT_DRAFTS = 60, 3


class ReplyConflict(InvalidInput):
    """Somebody wrote since what a draft answers; `newest_message_id` is the key of what is to be looked at first."""

    def __init__(self, draft: Draft, newest: Message) -> None:
        self.newest_message_id = newest.pk
        super().__init__(f"{describe_newer_message(draft, newest)} Send it once more if what you wrote still holds.")


def check_reply_conflict(draft: Draft, seen: UUID | None) -> None:
    """Refuse a draft that does not know of the newest message; `seen` is the one that its author was told of.

    Raises:
        Overtaken: somebody wrote since, and it is not `seen`.
    """
    newest = find_newer_message(draft)
    if newest is not None and newest.pk != seen:
        raise ReplyConflict(draft, newest)


def find_newer_message(draft: Draft) -> Message | None:
    """The newest of what was said, or is about to go out, since what `draft` answers; not what its author composed.

    Counted from what it answers and not from when it was begun: the page on which it was begun may have been open
    for hours.
    """
    if draft.thread_id is None:
        return None
    since = draft.reply_to.sent_at if draft.reply_to else draft.created_at
    rows = Message.objects.filter(thread=draft.thread_id, nature=Nature.PERSON, sent_at__gt=since)
    rows = rows.exclude(state=MessageState.FAILED).exclude(
        delivery__ordered_by=draft.author_id, delivery__origin=EmailOrigin.COMPOSER
    )
    return rows.defer("body_text", "body_html").order_by("-sent_at", "-id").first()


def describe_newer_message(draft: Draft, newest: Message) -> str:
    """Who wrote `newest_message_id`, and when, for the author of `draft`."""
    writer, started_at, at = writer_name(newest, draft), draft.created_at, newest.sent_at
    if at < started_at:
        moment = f"{timezone.localtime(at):%-d %b, %H:%M}"
        return f"{writer} wrote after what this answers, on {moment}: look first."
    delay = timesince(started_at, at, depth=1).replace("\xa0", " ")
    delay = "less than a minute" if (at - started_at).total_seconds() < 60 else delay
    return f"{writer} wrote {delay} after you began this: look first."


def writer_name(message: Message, draft: Draft) -> str:
    """The name that `message` bears, which outsiders may choose as they like, else the address."""
    if message.direction == Direction.OUT and message.from_name == str(draft.author):
        return "You"
    fallback = "A colleague" if message.direction == Direction.OUT else "They"
    return strip_hidden_characters(message.from_name)[:MAX_WRITER_NAME_LENGTH].strip() or message.from_email or fallback


def concurrent_drafts(thread: Thread, *, exclude_author: UUID) -> QuerySet[Draft]:
    """Who else is writing an answer in `thread`, whoever began first before; what they write is theirs alone."""
    rows = Draft.objects.filter(thread=thread, author__is_active=True).exclude(author=exclude_author)
    rows = rows.select_related("author").only("created_at", "updated_at", "author")
    return rows.order_by("created_at", "id")[:MAX_CONCURRENT_DRAFTS]
