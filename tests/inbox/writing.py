"""Writing and sending a mail in a test, as the composer does, without waiting."""

from datetime import timedelta
from typing import Any

from django.test import Client as Browser
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.models import User
from inbox.drafts import transitions
from inbox.drafts.transitions import Place, Words
from inbox.models import Direction, Dispatch, Draft, Message, Thread
from inbox.outgoing import send_queue
from inbox.transitions import take_in
from tests.forms import form_of

ADD = "/inbox/draft/add/"


def received(thread: Thread, **kw: Any) -> Message:
    """What somebody wrote in `thread` an hour ago."""
    kw = {"from_email": "lee@example.com", "body_text": "How much is it?", "subject": "Question", **kw}
    kw.setdefault("sent_at", timezone.now() - timedelta(hours=1))
    return take_in(Message(thread=thread, direction=Direction.IN, **kw))


def make_draft(by: User, thread: Thread | None = None, **kw: Any) -> Draft:
    place = {name: kw.pop(name) for name in ("lead", "client", "reply_to") if name in kw}
    words = {"to": "lee@example.com", "subject": "Re: Question", "body": "It is 100 a month.", **kw}
    return transitions.save(uuid7(), 0, Words(**words), Place(thread=thread, **place), by=by)


def sent_off(by: User, thread: Thread | None = None, **kw: Any) -> Message:
    """A mail that waits to go out."""
    confirmed = kw.pop("confirmed", ["lee@example.com"])
    return transitions.send(make_draft(by, thread, **kw), confirmed=confirmed, by=by)


def due(message: Message) -> None:
    """Let the time be over in which it can be taken back."""
    Dispatch.objects.filter(message=message).update(run_after=timezone.now() - timedelta(seconds=1))


def carried(message: Message) -> Message:
    """`message` after its job has run."""
    due(message)
    send_queue.carry_out(message.pk)
    message.refresh_from_db()
    return message


def composer(page: Browser, url: str) -> dict[str, str]:
    """What the composer on the page at `url` holds."""
    answer = page.get(url)
    assert answer.status_code == 200
    return form_of(answer.content.decode(), "compose")


def press(page: Browser, form: dict[str, Any], act: str, **kw: Any) -> Any:
    return page.post(ADD, {**form, "do": act, **kw})
