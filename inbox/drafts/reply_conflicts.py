"""What happened in a conversation while somebody was writing an answer in it."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.timesince import timesince

from crm.exceptions import BadInput
from crm.text.addresses import visible
from inbox.models import Direction, Draft, Message, MessageState, Nature, Thread

LONGEST_NAME, MOST_OTHERS = 60, 3


class Overtaken(BadInput):
    """Somebody wrote since what a draft answers; `newest` is the key of what is to be looked at first."""

    def __init__(self, draft: Draft, newest: Message) -> None:
        self.newest = newest.pk
        super().__init__(f"{told(draft, newest)} Send it once more if what you wrote still holds.")


def refuse_overtaken(draft: Draft, seen: UUID | None) -> None:
    """Refuse a draft that does not know of the newest message; `seen` is the one that its author was told of.

    Raises:
        Overtaken: somebody wrote since, and it is not `seen`.
    """
    newest = newer_than(draft)
    if newest is not None and newest.pk != seen:
        raise Overtaken(draft, newest)


def newer_than(draft: Draft) -> Message | None:
    """The newest of what was said, or is about to go out, since what `draft` answers; not what its author composed.

    Counted from what it answers and not from when it was begun: the page on which it was begun may have been open
    for hours.
    """
    if draft.thread_id is None:
        return None
    since = draft.reply_to.sent_at if draft.reply_to else draft.created_at
    rows = Message.objects.filter(thread=draft.thread_id, nature=Nature.PERSON, sent_at__gt=since)
    rows = rows.exclude(state=MessageState.FAILED).exclude(dispatch__ordered_by=draft.author_id)
    return rows.defer("body_text", "body_html").order_by("-sent_at", "-id").first()


def told(draft: Draft, newest: Message) -> str:
    """Who wrote `newest`, and when, for the author of `draft`."""
    who, begun, at = writer_of(newest, draft), draft.created_at, newest.sent_at
    if at < begun:
        moment = f"{timezone.localtime(at):%-d %b, %H:%M}"
        return f"{who} wrote after what this answers, on {moment}: look first."
    span = timesince(begun, at, depth=1).replace("\xa0", " ")
    span = "less than a minute" if (at - begun).total_seconds() < 60 else span
    return f"{who} wrote {span} after you began this: look first."


def writer_of(message: Message, draft: Draft) -> str:
    """The name that `message` bears, which outsiders may choose as they like, else the address."""
    if message.direction == Direction.OUT and message.from_name == str(draft.author):
        return "You"
    nobody = "A colleague" if message.direction == Direction.OUT else "They"
    return visible(message.from_name)[:LONGEST_NAME].strip() or message.from_email or nobody


def others_writing(thread: Thread, *, but: UUID) -> QuerySet[Draft]:
    """Who else is writing an answer in `thread`, whoever began first before; what they write is theirs alone."""
    rows = Draft.objects.filter(thread=thread, author__is_active=True).exclude(author=but)
    rows = rows.select_related("author").only("created_at", "updated_at", "author")
    return rows.order_by("created_at", "id")[:MOST_OTHERS]
