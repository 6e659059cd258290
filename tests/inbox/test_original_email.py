"""The source of a received email is kept, shown to those who may see it, and read again."""

from io import StringIO

import pytest
from django.core.management import call_command

from crm.exceptions import IllegalTransition
from inbox.incoming.participants import our_addresses
from inbox.incoming.sources import read_source
from inbox.incoming.transitions import receive
from inbox.models import Message, MessageState, Thread
from inbox.transitions import reparse_message
from tests.cast import make_lead
from tests.inbox.raw_emails import LEE, raw_email

pytestmark = pytest.mark.django_db
RAW = raw_email("a", subject="Roof")


def original_address(message) -> str:
    return f"/inbox/thread/message/{message.pk}/original/"


def reread() -> str:
    said = StringIO()
    call_command("reparse_mail", stdout=said, stderr=said)
    return said.getvalue()


def test_source_is_kept_byte_for_byte_and_only_if_wanted(box, settings):
    message = receive(box, RAW, origin="a")
    assert read_source(message) == RAW
    settings.KEEP_EMAIL_SOURCE = False
    other = receive(box, raw_email("b"), origin="b")
    assert other.source_digest == ""
    with pytest.raises(IllegalTransition, match="was not kept"):
        read_source(other)


def test_original_is_shown_to_those_who_may_see_the_thread(box, as_max, as_ann, bob):
    make_lead(contact_email=LEE, assigned_to=bob)
    message = receive(box, RAW, origin="a")
    assert original_address(message) in as_max.get(f"/inbox/thread/{message.thread_id}/change/").content.decode()
    answer = as_max.get(original_address(message))
    assert b"".join(answer.streaming_content) == RAW
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    assert as_ann.get(original_address(message)).status_code == 404


def test_missing_original_gives_a_sentence(box, as_max):
    message = receive(box, RAW, origin="a")
    Message.objects.update(source_digest="")
    answer = as_max.get(original_address(message), follow=True)
    assert "The original of this email was not kept." in answer.content.decode()


def test_email_is_read_again(box):
    message = receive(box, RAW, origin="a")
    Message.objects.update(body_text="misread", from_email="", from_name="", subject="?")
    Message.objects.update(from_email="misread@x.example")
    Thread.objects.update(participant_emails=["misread@x.example", "eve@example.com"])
    assert reread() == "1 email read again: 1 changed, 0 could not be read.\n"
    message.refresh_from_db()
    assert (message.body_text.strip(), message.from_email, message.subject) == ("Body of a", LEE, "Roof")
    assert Thread.objects.get().participant_emails == ["eve@example.com", LEE]
    assert reread() == "1 email read again: 0 changed, 0 could not be read.\n"


def test_sentiment_of_reread_email_is_detected_again(box):
    message = receive(box, RAW + b"This is terrible, I want to cancel at once.\r\n", origin="a")
    assert Thread.objects.get().sentiment in ("negative", "urgent")
    Message.objects.update(body_text="Fine.")
    Thread.objects.update(sentiment=None, metadata={"sentiment": {"message": str(message.pk), "judged": None}})
    reread()
    assert Thread.objects.get().sentiment in ("negative", "urgent")


def test_source_that_changed_is_reported_and_changes_nothing(box, settings):
    message = receive(box, RAW, origin="a")
    (settings.MEDIA_ROOT / message.source_path).write_bytes(b"forged")
    Message.objects.update(body_text="as it was")
    assert "has changed since it was stored" in reread()
    assert Message.objects.get().body_text == "as it was"


def test_sent_message_is_never_read_again(box):
    message = receive(box, raw_email("b", by=box.address, to=LEE), origin="b")
    assert message.state == MessageState.SENT
    with pytest.raises(IllegalTransition, match="Only a received email"):
        reparse_message(message, our_addresses())
