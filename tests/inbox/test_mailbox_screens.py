"""Mailboxes, and the mail that could not be taken in: seen, tried again, and by whom."""

import pytest
from django.urls import reverse

from inbox.models import Mailbox, Message, SetAside
from tests.cast import browser, make_user

GOOD = b"From: lee@example.com\r\nSubject: Hello\r\n\r\nHi\r\n"


@pytest.fixture
def box(db):
    return Mailbox.objects.create(address="office@agency.example")


def aside(box, raw=b"<script>alert(1)</script>", **kw):
    return SetAside.objects.create(mailbox=box, origin="box#7", reason="No header.", size=len(raw), raw=raw, **kw)


def page(row):
    return reverse(f"admin:inbox_{row._meta.model_name}_change", args=[row.pk])


def test_a_mailbox_tells_what_was_set_aside(as_max, box):
    kept = aside(box)
    shown = as_max.get(page(box)).content.decode()
    assert "box#7" in shown
    assert page(kept) in shown
    assert "Every mail could be taken in" not in shown


def test_what_came_is_shown_as_it_came_and_never_run(as_max, box):
    shown = as_max.get(page(aside(box))).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert(1)" not in shown


def test_one_that_can_be_read_by_now_is_taken_in(as_max, box):
    kept = aside(box, GOOD)
    as_max.post(reverse("admin:inbox_setaside_do", args=[kept.pk, "again"]))
    assert Message.objects.get().subject == "Hello"
    assert not SetAside.objects.exists()


def test_one_that_still_cannot_says_so_and_stays(as_max, box):
    kept = aside(box, b"rubbish")
    response = as_max.post(reverse("admin:inbox_setaside_do", args=[kept.pk, "again"]))
    assert "It still cannot be read." in response.content.decode()
    assert SetAside.objects.exists()


def test_an_agent_sees_own_and_common_mailboxes_and_no_other(box):
    bo, ann = make_user("bo", "agent"), make_user("ann", "agent")
    mine = Mailbox.objects.create(address="bo@agency.example", owner=bo)
    assert browser(bo).get(page(mine)).status_code == 200
    assert browser(ann).get(page(mine)).status_code in {302, 404}
    assert browser(ann).get(page(box)).status_code == 200


def test_a_second_mailbox_of_an_address_is_refused(as_max, box):
    response = as_max.post(reverse("admin:inbox_mailbox_add"), {"address": "OFFICE@agency.example", "seen": ""})
    assert "There is a mailbox of this address already." in response.content.decode()
    assert Mailbox.objects.count() == 1
