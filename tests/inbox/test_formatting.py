"""Bold text, lists and links of the composer: sent as HTML beside the plain text, and shown in the conversation."""

from email import message_from_bytes, policy

import pytest

from inbox.drafts import transitions
from inbox.models import Message
from inbox.outgoing.mime import build_email
from tests.cast import make_lead, make_suggestion, make_thread
from tests.inbox.draft_fixtures import add_incoming_email, send_draft
from tests.suggestions.email_execution import approve_confirming_all

pytestmark = pytest.mark.django_db
WORDS = "**Dear** Lee,\n\n- one\n- [two](https://x.example)\n\nBye <b>"


@pytest.fixture
def thread(ann):
    thread = make_thread(lead=make_lead(contact_email="lee@example.com", assigned_to=ann), subject="Question")
    add_incoming_email(thread, message_id="<asked@example.com>", body_text="Is it **free**?\n- yes\n- no")
    return thread


def parts_of(mail: Message) -> tuple[str, str]:
    """Return the plain text and the HTML of the email as it leaves."""
    email = message_from_bytes(build_email(mail), policy=policy.default)
    assert email.get_content_type() == "multipart/alternative"
    return tuple(email.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))


def test_email_leaves_as_plain_text_and_as_html(ann, thread):
    plain, html = parts_of(send_draft(ann, thread, body=WORDS))
    assert plain.strip() == WORDS
    assert "<strong>Dear</strong> Lee," in html and "<li>one</li>" in html
    assert '<a href="https://x.example">two</a>' in html and "Bye &lt;b&gt;" in html


def test_quoted_message_is_not_formatted(ann, thread):
    mail = send_draft(ann, thread, body="Yes, **quite**.", reply_to=thread.messages.get(), quotes=True)
    html = parts_of(mail)[1]
    assert html.count("<strong>") == 1 and "&gt; Is it **free**?" in html and "<li>" not in html


def test_conversation_shows_the_format_of_our_email_alone(as_ann, ann, thread):
    send_draft(ann, thread, body=WORDS)
    page = as_ann.get(f"/inbox/thread/{thread.pk}/change/").content.decode()
    assert "<strong>Dear</strong>" in page and "<li>one</li>" in page and "Bye &lt;b&gt;" in page
    assert "Is it **free**?" in page
    assert 'rel="noopener noreferrer"' in page


def test_snippet_has_no_mark_up(ann, thread):
    assert send_draft(ann, thread, body=WORDS).snippet.startswith("Dear Lee,")


def test_undone_email_is_edited_with_its_mark_up(ann, thread):
    assert transitions.take_back(send_draft(ann, thread, body=WORDS), by=ann).body == WORDS


def test_link_that_runs_a_script_stays_text(ann, thread):
    html = parts_of(send_draft(ann, thread, body="[click](javascript:alert(1))"))[1]
    assert "<a" not in html and "[click](javascript:alert(1))" in html


def test_approved_email_leaves_as_it_was_shown(ann, thread):
    content = {"subject": "Quote", "body": "It is **100**.", "to": ["lee@example.com"], "templateId": None}
    suggestion = make_suggestion("SEND_EMAIL", lead=thread.lead, suggested_content=content)
    approve_confirming_all(suggestion, ann)
    assert "**100**" in Message.objects.get(direction="out").body_html
