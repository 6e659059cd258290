"""Helpers to write and send an email as the composer does, without waiting."""

from datetime import timedelta
from typing import Any

from django.test import Client as Browser
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.models import User
from inbox.drafts import transitions
from inbox.drafts.transitions import DraftContent, DraftDestination
from inbox.models import Direction, Draft, EmailDelivery, Message, Thread
from inbox.outgoing import send_queue
from inbox.transitions import add_to_thread
from tests.form_parser import read_form

DRAFT_ADD_URL = "/inbox/draft/add/"


def add_incoming_email(thread: Thread, **kw: Any) -> Message:
    """Add a message received an hour ago to `thread`."""
    kw = {"from_email": "lee@example.com", "body_text": "How much is it?", "subject": "Question", **kw}
    kw.setdefault("sent_at", timezone.now() - timedelta(hours=1))
    return add_to_thread(Message(thread=thread, direction=Direction.IN, **kw))


def make_draft(by: User, thread: Thread | None = None, **kw: Any) -> Draft:
    place = {name: kw.pop(name) for name in ("lead", "client", "reply_to") if name in kw}
    words = {"to": "lee@example.com", "subject": "Re: Question", "body": "It is 100 a month.", **kw}
    return transitions.save(uuid7(), 0, DraftContent(**words), DraftDestination(thread=thread, **place), by=by)


def send_draft(by: User, thread: Thread | None = None, **kw: Any) -> Message:
    """Return a queued email."""
    confirmed, at = kw.pop("confirmed", ["lee@example.com"]), kw.pop("at", None)
    return transitions.send(make_draft(by, thread, **kw), confirmed=confirmed, at=at, by=by)


def make_due(message: Message) -> None:
    """End the undo window."""
    EmailDelivery.objects.filter(message=message).update(run_after=timezone.now() - timedelta(seconds=1))


def run_send_job(message: Message) -> Message:
    """Run the send job of `message` and return the message."""
    make_due(message)
    send_queue.send_queued_email(message.pk)
    message.refresh_from_db()
    return message


def composer_form(page: Browser, url: str) -> dict[str, str]:
    """Return the form values of the composer on the page at `url`."""
    answer = page.get(url)
    assert answer.status_code == 200
    return read_form(answer.content.decode(), "compose")


def submit_composer(page: Browser, form: dict[str, Any], act: str, **kw: Any) -> Any:
    return page.post(DRAFT_ADD_URL, {**form, "do": act, **kw})
