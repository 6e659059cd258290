"""Resolving, archiving and reopening conversations: every move, legal and illegal."""

import itertools

import pytest

from crm.exceptions import IllegalMove, NotAllowed
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from crm.records.transitions import soft_delete
from inbox.models import TRANSITIONS, Message, ThreadStatus
from inbox.transitions import mark_read, move
from tests.cast import browser, make_lead, make_thread

pytestmark = pytest.mark.django_db
LEGAL = {(was, to) for was, following in TRANSITIONS.items() for to in following}
PAIRS = sorted(itertools.product(ThreadStatus.values, ThreadStatus.values))


@pytest.mark.parametrize(("was", "to"), PAIRS)
def test_each_move_is_done_or_refused_with_a_sentence(ann, was, to):
    thread = make_thread(lead=make_lead(), status=was)
    if (was, to) in LEGAL:
        move(thread, to, by=ann)
        assert thread.status == to
        assert ActivityLog.objects.on_timeline_of(thread.lead)[0].target_id == thread.pk
    else:
        with pytest.raises(IllegalMove, match=rf"“{thread}” is already {ThreadStatus(was).label.lower()}\."):
            move(thread, to, by=ann)
        thread.refresh_from_db()
        assert thread.status == was


def test_a_deleted_conversation_does_not_move(ann):
    thread = make_thread()
    soft_delete(thread, by=SYSTEM)
    with pytest.raises(IllegalMove, match="is already deleted"):
        move(thread, ThreadStatus.RESOLVED, by=ann)


def test_a_viewer_moves_nothing(vera):
    thread = make_thread()
    with pytest.raises(NotAllowed, match="Vera may not change a conversation"):
        move(thread, ThreadStatus.RESOLVED, by=vera)


def test_many_at_once_are_told_apart(as_max):
    threads = [make_thread(), make_thread(status="ARCHIVED")]
    data = {"action": "resolve", "index": "0", "apply": "1", "_selected_action": [str(t.pk) for t in threads]}
    page = as_max.post("/inbox/thread/?q=question", data, follow=True).content.decode()
    assert "Done for 1." in page
    assert "is already archived." in page


def test_reading_marks_nothing_and_the_button_marks_all(as_max, max):
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


def test_only_whoever_may_change_conversations_marks_them_read(vera):
    thread = make_thread()
    with pytest.raises(NotAllowed):
        mark_read(thread, by=vera)
    assert browser(vera).post(f"/inbox/thread/{thread.pk}/do/read/").status_code == 403
