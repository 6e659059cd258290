"""The bell and the page of notifications: what their reader sees now, and marking it as read."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import Notification, NotificationDigest, NotificationSetting
from crm.records.activity import SYSTEM_ACTOR
from crm.records.notifications.transitions import delete_old
from crm.records.transitions import assign, purge, soft_delete
from tests.cast import browser, copy_record, make_lead, make_thread, make_ticket, page_text
from tests.query_plans import plan_indexes

pytestmark = pytest.mark.django_db
PAGE, BELL, SETTINGS = reverse("admin:notifications"), reverse("admin:notification_bell"), "/notifications/settings/"


def tell(reader, record, kind="assigned", **fields):
    fields = {"target_type": record._meta.label_lower, "target_id": record.pk, **fields}
    return Notification.objects.create(reader=reader, kind=kind, **fields)


def unread(user):
    return Notification.objects.shown_to(user).unread().count()


def test_page_names_record_event_and_actor_and_the_bell_counts(as_ann, ann, max):
    lead = make_lead(contact_name="Nora Natal")
    tell(ann, lead, actor=max)
    tell(ann, make_thread(subject="My roof"), "answered", count=5)
    text = page_text(as_ann.get(PAGE))
    for words in (
        "Nora Natal",
        "Lead assigned to you · by Max",
        "My roof",
        "5 new messages",
        "Notifications, 2 unread",
    ):
        assert words in text
    assert "Nora Natal" not in page_text(browser(max).get(PAGE))


def test_record_that_the_reader_may_not_open_any_more_is_not_named(as_ann, ann, bob, max):
    moved, deleted, purged = (make_lead(contact_name=f"Zelda {name}") for name in ("Moved", "Deleted", "Purged"))
    rows = [tell(ann, lead, actor=max) for lead in (moved, deleted, purged)]
    assign(moved, bob, by=max)
    soft_delete(deleted, by=SYSTEM_ACTOR)
    soft_delete(purged, by=SYSTEM_ACTOR)
    purge(purged, by=SYSTEM_ACTOR)
    text = page_text(as_ann.get(PAGE))
    assert "Zelda" not in text
    assert text.count(">No longer available to you<") == 3
    assert "by Max" not in text
    answer = as_ann.get(reverse("admin:crm_notification_open", args=[rows[0].pk]), follow=True)
    assert "Lead assigned to you: no longer available to you." in page_text(answer)
    assert unread(ann) == 2


def test_opening_leads_to_the_record_and_marks_it_read(as_ann, ann, bob):
    lead = make_lead()
    mine, other = tell(ann, lead), tell(bob, lead)
    url = reverse("admin:crm_notification_open", args=[mine.pk])
    assert as_ann.get(url)["Location"] == reverse("admin:leads_lead_change", args=[lead.pk])
    assert unread(ann) == 0
    assert as_ann.get(reverse("admin:crm_notification_open", args=[other.pk])).status_code == 404
    assert unread(bob) == 1


def test_one_or_all_of_a_kind_are_marked_read_and_later_ones_stay(as_ann, ann):
    one, two = tell(ann, make_lead()), tell(ann, make_ticket(), "escalated")
    other = tell(ann, make_lead())
    as_ann.post(PAGE, {"read": str(one.pk)})
    assert unread(ann) == 2
    answer = as_ann.post(f"{PAGE}?kind=escalated", {"until": timezone.now().isoformat()}, follow=True)
    assert "1 notification marked as read." in page_text(answer)
    two.refresh_from_db()
    assert two.read_at
    assert unread(ann) == 1
    as_ann.post(PAGE, {"until": (other.changed_at - timedelta(seconds=1)).isoformat()})
    assert unread(ann) == 1
    as_ann.post(PAGE, {"until": "yesterday", "read": ""})
    assert unread(ann) == 0


@pytest.mark.parametrize("sent", [{"read": "x"}, {"read": "01990000-0000-7000-8000-000000000001"}])
def test_marking_what_does_not_exist_changes_nothing(as_ann, ann, sent):
    tell(ann, make_lead())
    assert "It was read already." in page_text(as_ann.post(PAGE, sent, follow=True))
    assert unread(ann) == 1


def test_filters_list_a_kind_or_what_is_unread_and_pages_go_on(as_ann, ann):
    row = tell(ann, make_lead(contact_name="Olaf Old"), changed_at=timezone.now() - timedelta(days=2))
    copy_record(row, 55, lambda number: {"target_id": make_key(number), "changed_at": timezone.now()})
    tell(ann, make_ticket(subject="Broken card"), "escalated", read_at=timezone.now())
    first = as_ann.get(PAGE)
    assert "Olaf Old" not in page_text(first)
    assert "Olaf Old" in page_text(as_ann.get(PAGE + first.context["older"]))
    assert "Broken card" in page_text(as_ann.get(f"{PAGE}?kind=escalated"))
    assert "Broken card" not in page_text(as_ann.get(f"{PAGE}?state=unread"))
    assert "That page no longer exists." in page_text(as_ann.get(f"{PAGE}?after=x&kind=none"))


def make_key(number):
    return f"01990000-0000-7000-8000-{number:012}"


def test_bell_is_capped_and_tells_only_new_ones_in_toasts(as_ann, ann, bob):
    before = timezone.now() - timedelta(hours=1)
    seen = tell(ann, make_lead(contact_name="Earl Early"), changed_at=before)
    copy_record(seen, 100, lambda number: {"target_id": make_key(number)})
    since = timezone.now().isoformat()
    quiet = as_ann.get(f"{BELL}?since={quote(since)}").content.decode()
    assert "99+" in quiet
    assert "hx-swap-oob" not in quiet
    tell(ann, make_lead(contact_name="Nina New"))
    tell(ann, make_lead(contact_name="Hilda Hidden", assigned_to=bob))
    loud = page_text(as_ann.get(f"{BELL}?since={quote(since)}"))
    assert "Lead assigned to you: Nina New" in loud
    assert "Earl Early" not in loud
    assert "Hilda Hidden" not in loud
    for wrong in (
        "",
        "?since=x",
        "?since=2026-01-01",
        "?since=0001-01-01T00:00:00-20:00",
        "?since=0001-01-01T00:00:00%2B20:00",
    ):
        assert as_ann.get(BELL + wrong).status_code == 200


def test_question_of_the_bell_costs_one_statement_beside_the_login(as_ann, ann):
    tell(ann, make_lead())
    as_ann.get(BELL)
    with CaptureQueriesContext(connection) as queries:
        as_ann.get(f"{BELL}?since={quote(timezone.now().isoformat())}")
    assert sum("notifications" in query["sql"] for query in queries) == 1
    assert len(queries) <= 4


def test_bell_and_list_read_indexes(ann, bob):
    row = tell(bob, make_lead())
    copy_record(row, 3_000, lambda number: {"target_id": make_key(number)})
    tell(ann, make_lead())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notifications")
    rows = Notification.objects.shown_to(ann)
    assert plan_indexes(rows.unread().values_list("changed_at")[:100]) == {"notifications_unread"}
    assert plan_indexes(rows[:50]) == {"notifications_of_reader"}
    assert plan_indexes(rows.filter(kind="assigned")[:50]) == {"notifications_by_kind"}


def test_page_costs_the_same_for_one_and_for_fifty(as_ann, ann):
    def count():
        with CaptureQueriesContext(connection) as queries:
            as_ann.get(PAGE)
        return len(queries)

    row = tell(ann, make_lead())
    count()
    one = count()
    copy_record(row, 49, lambda number: {"target_id": make_lead().pk})
    assert count() == one <= 10


def test_settings_are_saved_and_only_differences_are_stored(as_ann, ann):
    shown = page_text(as_ann.get(SETTINGS))
    assert "Mentioned" in shown
    chosen = {f"page_{kind}": "on" for kind in ("assigned", "mentioned", "answered", "failed", "escalated")}
    chosen |= {f"email_{kind}": "on" for kind in ("mentioned", "failed", "escalated", "due")}
    assert as_ann.post(SETTINGS, {**chosen, "hour": "18"}).status_code == 302
    [setting] = NotificationSetting.objects.all()
    assert (setting.user, setting.kind, setting.in_page, setting.by_email) == (ann, "due", False, True)
    assert NotificationDigest.objects.get().hour == 18


@pytest.mark.parametrize("hour", ["24", "-1", "x", ""])
def test_wrong_hour_is_refused_and_changes_nothing(as_ann, hour):
    assert "error" in page_text(as_ann.post(SETTINGS, {"hour": hour})).lower()
    assert not NotificationSetting.objects.exists()


def test_old_notifications_are_deleted(ann):
    now = timezone.now()
    ages = {"read": (31, True), "read lately": (29, True), "unread": (60, False), "forgotten": (91, False)}
    for days, is_read in ages.values():
        fields = {"changed_at": now - timedelta(days=days), "read_at": now if is_read else None}
        tell(ann, make_lead(), **fields)
    assert delete_old(now) == 2
    assert delete_old(now) == 0
    assert sorted((now - row.changed_at).days for row in Notification.objects.all()) == [29, 60]
