"""The screens for mailboxes and for emails set aside: visibility, retry and permissions."""

import pytest
from django.urls import reverse

from inbox.models import Mailbox, Message, SetAside
from tests.cast import browser, make_user

GOOD = b"From: lee@example.com\r\nSubject: Hello\r\n\r\nHi\r\n"


@pytest.fixture
def box(db):
    return Mailbox.objects.create(address="office@agency.example")


def make_set_aside(box, raw=b"<script>alert(1)</script>", **kw):
    return SetAside.objects.create(mailbox=box, origin="box#7", reason="No header.", size=len(raw), raw=raw, **kw)


def page_url(row):
    return reverse(f"admin:inbox_{row._meta.model_name}_change", args=[row.pk])


def test_mailbox_page_lists_set_aside_emails(as_max, box):
    kept = make_set_aside(box)
    shown = as_max.get(page_url(box)).content.decode()
    assert "box#7" in shown
    assert page_url(kept) in shown
    assert "All emails were imported" not in shown


def test_set_aside_email_is_shown_escaped(as_max, box):
    shown = as_max.get(page_url(make_set_aside(box))).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert(1)" not in shown


def test_retry_stores_a_now_readable_email(as_max, box):
    kept = make_set_aside(box, GOOD)
    as_max.post(reverse("admin:inbox_setaside_do", args=[kept.pk, "again"]))
    assert Message.objects.get().subject == "Hello"
    assert not SetAside.objects.exists()


def test_retry_of_unreadable_email_shows_error_and_keeps_it(as_max, box):
    kept = make_set_aside(box, b"rubbish")
    response = as_max.post(reverse("admin:inbox_setaside_do", args=[kept.pk, "again"]))
    assert "The email still cannot be read." in response.content.decode()
    assert SetAside.objects.exists()


def test_agent_sees_own_and_shared_mailboxes_only(box):
    bo, ann = make_user("bo", "agent"), make_user("ann", "agent")
    mine = Mailbox.objects.create(address="bo@agency.example", owner=bo)
    assert browser(bo).get(page_url(mine)).status_code == 200
    assert browser(ann).get(page_url(mine)).status_code in {302, 404}
    assert browser(ann).get(page_url(box)).status_code == 200


def test_duplicate_mailbox_address_is_refused(as_max, box):
    response = as_max.post(
        reverse("admin:inbox_mailbox_add"), {"address": "OFFICE@agency.example", "loaded_digest": ""}
    )
    assert "A mailbox with this address already exists." in response.content.decode()
    assert Mailbox.objects.count() == 1
