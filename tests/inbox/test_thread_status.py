"""Resolving, archiving and reopening conversations: every legal and illegal transition."""

import itertools

import pytest

from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from inbox.models import THREAD_TRANSITIONS, Message, ThreadStatus
from inbox.transitions import change_thread_status, mark_read
from tests.cast import browser, make_lead, make_thread

pytestmark = pytest.mark.django_db
LEGAL = {(was, to) for was, following in THREAD_TRANSITIONS.items() for to in following}
PAIRS = sorted(itertools.product(ThreadStatus.values, ThreadStatus.values))


@pytest.mark.parametrize(("was", "to"), PAIRS)
def test_each_status_change_is_applied_or_refused(ann, was, to):
    thread = make_thread(lead=make_lead(), status=was)
    if (was, to) in LEGAL:
        change_thread_status(thread, to, by=ann)
        assert thread.status == to
        assert ActivityLog.objects.on_timeline_of(thread.lead)[0].target_id == thread.pk
    else:
        with pytest.raises(IllegalTransition, match=rf"“{thread}” is already {ThreadStatus(was).label.lower()}\."):
            change_thread_status(thread, to, by=ann)
        thread.refresh_from_db()
        assert thread.status == was


def test_deleted_thread_cannot_change_status(ann):
    thread = make_thread()
    soft_delete(thread, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is already deleted"):
        change_thread_status(thread, ThreadStatus.RESOLVED, by=ann)


def test_viewer_cannot_change_status(vera):
    thread = make_thread()
    with pytest.raises(NotPermitted, match="Vera may not change a conversation"):
        change_thread_status(thread, ThreadStatus.RESOLVED, by=vera)


def test_bulk_resolve_reports_each_failure(as_max):
    threads = [make_thread(), make_thread(status="ARCHIVED")]
    data = {"action": "resolve", "index": "0", "apply": "1", "_selected_action": [str(t.pk) for t in threads]}
    page = as_max.post("/inbox/thread/?q=question", data, follow=True).content.decode()
    assert "1 conversation updated." in page
    assert "is already archived." in page


def test_viewing_keeps_unread_and_button_marks_all_read(as_max, max):
    thread = make_thread()
    row = {"thread": thread, "direction": "in", "sent_at": thread.created_at, "body_text": "Hello"}
    Message.objects.create(**row)
    Message.objects.create(**row)
    address = f"/inbox/thread/{thread.pk}/change/"
    assert "2 new" in as_max.get(address).content.decode()
    assert thread.messages.filter(is_read=False).count() == 2
    answer = as_max.post(f"/inbox/thread/{thread.pk}/do/read/", follow=True).content.decode()
    assert "2 messages of" in answer
    assert thread.messages.filter(is_read=False).count() == 0
    assert "Mark read" not in as_max.get(address).content.decode()


def test_marking_read_needs_permission(vera):
    thread = make_thread()
    with pytest.raises(NotPermitted):
        mark_read(thread, by=vera)
    assert browser(vera).post(f"/inbox/thread/{thread.pk}/do/read/").status_code == 403
