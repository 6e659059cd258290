"""Tests of timelines: what is joined in, who sees which line, pages, and the last activity."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR, record
from crm.records.merging.transitions import merge, unmerge
from crm.records.timeline import Position, load_timeline
from inbox.models import Direction, Message, MessageState, Nature, ThreadSource
from inbox.transitions import add_to_thread
from inbox.transitions.log_conversation import log_conversation
from leads.conversion.transitions import convert, undo_conversion
from leads.models import Lead, ScoringPolicy, Task, TierChange
from leads.scoring.rescoring import rescore_all_leads
from leads.timeline import describe_change
from leads.transitions import add_signals
from support.transitions import add_ticket_note
from tests.cast import make_client, make_lead, make_suggestion, make_thread, make_ticket

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def write(thread, direction=Direction.IN, *, at=None, **kw):
    state = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    kw = {"state": state, "body_text": "Hello", "snippet": "Hello", **kw}
    return add_to_thread(Message(thread=thread, direction=direction, sent_at=at or timezone.now(), **kw))


def summaries(user, record, **kw) -> list[str]:
    return [line.summary for line in load_timeline(user, record, **kw).lines]


@pytest.mark.parametrize("make", [make_lead, make_client])
def test_received_and_sent_messages_are_on_the_timeline(ann, make):
    owner = make(assigned_to=ann)
    link = {"lead": owner} if isinstance(owner, Lead) else {"client": owner}
    thread = make_thread(subject="Your quote", **link)
    write(thread, from_email="rita@example.com", from_name="Rita Roe", subject="Your quote?", snippet="How much is it?")
    write(thread, Direction.OUT, to_emails=["rita@example.com"], subject="Re: Your quote?", snippet="It is 100.")
    sent, received = load_timeline(ann, owner).lines[:2]
    assert (sent.summary, sent.excerpt) == ("Email sent to rita@example.com: Re: Your quote?", "It is 100.")
    assert (received.summary, received.excerpt) == ("Email received: Your quote?", "How much is it?")
    assert received.actor_name == "Rita Roe"
    assert received.url.startswith(f"/inbox/thread/{thread.pk}/change/#m-")


@pytest.mark.parametrize("state", [MessageState.QUEUED, MessageState.SENDING])
def test_message_that_is_not_sent_yet_is_not_on_the_timeline(ann, state):
    lead = make_lead(assigned_to=ann)
    write(make_thread(lead=lead), Direction.OUT, state=state, subject="Not yet")
    assert not [one for one in summaries(ann, lead) if "Not yet" in one]


def test_logged_call_is_one_line_by_the_person_who_logged_it(ann):
    lead = make_lead(assigned_to=ann)
    log_conversation(
        lead, source=ThreadSource.CALL, direction=Direction.IN, subject="Renewal", body="She agrees.", by=ann
    )
    lines = [line for line in load_timeline(ann, lead).lines if "Renewal" in line.summary]
    assert [line.actor_name for line in lines] == [str(ann)]
    assert lines[0].summary.startswith("Incoming call: Renewal")


def test_tier_and_score_changes_are_on_the_timeline(ann):
    lead = make_lead(assigned_to=ann)
    TierChange.objects.filter(lead=lead).delete()
    lead.tier_changes.create(at=NOON, was="warm", now="hot", previous_score=Decimal("0.55"), score=Decimal("0.80"))
    lines = [line for line in load_timeline(ann, lead).lines if line.actor_name == "Scoring"]
    assert [line.summary for line in lines] == ["Tier: warm → hot · score 0.55 → 0.80"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"was": None, "now": "cold", "score": "0.15"}, "Tier: cold · score 0.15"),
        (
            {"was": "cold", "now": "dormant", "previous_score": "0.10", "score": "0.10"},
            "Tier: cold → dormant · score 0.10",
        ),
        ({"was": "warm", "now": "warm", "previous_score": "0.45", "score": "0.60"}, "Score 0.45 → 0.60"),
        ({"was": "warm", "now": None, "score": None}, "Tier: warm → none"),
    ],
)
def test_change_is_described_without_what_stayed(change, text):
    scores = {name: Decimal(change[name]) for name in ("previous_score", "score") if change.get(name)}
    assert describe_change(TierChange(**{**change, **scores})) == text


def test_fading_score_leaves_no_row_and_a_jump_leaves_one():
    """A nightly run must not write a row for each lead."""
    now, policy = timezone.now(), ScoringPolicy.objects.active()
    signal = {"type": "budget_mentioned", "timestamp": now.isoformat(), "weight": 0.25}
    fading = make_lead()
    add_signals(fading, [signal], by=SYSTEM_ACTOR)
    TierChange.objects.all().delete()
    before = Lead.objects.get(pk=fading.pk)
    list(rescore_all_leads(policy, now + timedelta(days=5)))
    after = Lead.objects.get(pk=fading.pk)
    assert after.overall_score < before.overall_score
    assert not TierChange.objects.exists()
    assert after.last_activity_at == before.last_activity_at
    add_signals(after, [{**signal, "type": "referral", "weight": 0.15}], by=SYSTEM_ACTOR)
    change = TierChange.objects.get()
    assert (change.was, change.now) == ("cold", "cold") or change.was != change.now
    assert change.score - change.previous_score >= Decimal("0.10")
    assert Lead.objects.get(pk=fading.pk).last_activity_at == change.at


def test_lines_about_records_of_others_are_hidden(ann, bob, max):
    lead, client = make_lead(assigned_to=ann), make_client(assigned_to=ann)
    tasks = [Task.objects.create(title=f"Task of {who}", lead=lead, assignee=who) for who in (ann, bob)]
    for task in tasks:
        record(task, "created", by=SYSTEM_ACTOR, timeline_owner=lead, summary=task.title)
    suggestion = make_suggestion(lead=lead)
    record(suggestion, "let happen", by=SYSTEM_ACTOR, timeline_owner=lead, summary="Done automatically")
    write(make_thread(lead=lead, subject="Open", assigned_to=ann), subject="Open")
    write(make_thread(lead=make_lead(assigned_to=bob), client=client, subject="Hidden"), subject="Hidden")
    text = "\n".join([*summaries(ann, lead), *summaries(ann, client)])
    assert "Task of Ann" in text and "Done automatically" in text and "Email received: Open" in text
    assert "Task of Bob" not in text and "Hidden" not in text
    text = "\n".join([*summaries(max, lead), *summaries(max, client)])
    assert "Task of Bob" in text and "Hidden" in text


def test_reader_without_a_permission_sees_no_line_of_that_table(ann):
    lead = make_lead(assigned_to=ann)
    write(make_thread(lead=lead, subject="Secret"), subject="Secret")
    record(make_suggestion(lead=lead), "proposed", by=SYSTEM_ACTOR, timeline_owner=lead, summary="Proposed")
    ann.groups.all()[0].permissions.filter(codename__in=["view_thread", "view_message", "view_suggestion"]).delete()
    text = "\n".join(summaries(type(ann).objects.get(pk=ann.pk), lead))
    assert "Secret" not in text and "Proposed" not in text
    assert "Created lead" in text


def test_purged_and_unknown_targets_are_hidden_from_agents(ann, max):
    lead = make_lead(assigned_to=ann)
    task = Task.objects.create(title="Gone", lead=lead)
    record(task, "created", by=SYSTEM_ACTOR, timeline_owner=lead, summary="Task: Gone")
    Task.everything.filter(pk=task.pk).delete()
    ActivityLog.objects.create(
        actor_type="system",
        verb="x",
        summary="Old table",
        target_type="old.table",
        target_id=task.pk,
        about_type="leads.lead",
        about_id=lead.pk,
    )
    assert not {"Task: Gone", "Old table"} & set(summaries(ann, lead))
    assert "Task: Gone" in summaries(max, lead)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_show_each_line_once_in_order(ann, bob, size):
    lead = make_lead(assigned_to=ann)
    TierChange.objects.filter(lead=lead).delete()
    thread = make_thread(lead=lead)
    for number in range(6):
        at = NOON + timedelta(minutes=number // 2)  # two at the same moment
        write(thread, at=at, subject=f"Message {number}")
        record(lead, "noted", by=ann, summary=f"Note {number}", at=at)
        hidden = Task.objects.create(title="Hidden", lead=lead, assignee=bob)
        record(hidden, "created", by=bob, timeline_owner=lead, summary="Hidden", at=at)
        lead.tier_changes.create(at=NOON + timedelta(minutes=number), was="cold", now="warm", score=Decimal("0.5"))
    seen, before, pages = [], None, 0
    while True:
        page = load_timeline(ann, lead, before, size)
        assert len(page.lines) <= size
        seen, before, pages = [*seen, *page.lines], page.older, pages + 1
        if before is None:
            break
        assert pages < 60
    assert seen == load_timeline(ann, lead, size=500).lines
    assert len({line.position for line in seen}) == len(seen) == 6 + 6 + 6 + 1  # and its creation
    assert "Hidden" not in [line.summary for line in seen]


@pytest.mark.parametrize("text", ["", "~", "x~y", "2026-03-01T12:00:00~", f"2026-03-01T12:00:00~{UUID(int=1)}", "\x00"])
def test_invalid_position_is_the_first_page(text, as_ann, ann):
    assert Position.parse(text) is None
    lead = make_lead(assigned_to=ann)
    assert as_ann.get(f"/leads/lead/{lead.pk}/timeline/", {"before": text}).status_code == 200


def test_page_links_to_older_lines(as_ann, ann, bob):
    lead = make_lead(assigned_to=ann)
    for number in range(60):
        record(lead, "noted", by=ann, summary=f"Note {number:02}", at=NOON + timedelta(minutes=number))
    page = as_ann.get(f"/leads/lead/{lead.pk}/change/")
    assert "Note 30" in page.content.decode() and "Note 00" not in page.content.decode()
    older = as_ann.get(page.context["timeline_older"]).content.decode()
    assert "Note 00" in older and "Note 30" not in older
    Lead.objects.filter(pk=lead.pk).update(assigned_to=bob)
    assert as_ann.get(page.context["timeline_older"]).status_code in (302, 404)


def test_number_of_statements_does_not_grow(ann):
    def statements(lead) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert load_timeline(ann, lead, size=500).lines
        return len(captured)

    def fill(lead, times):
        for number in range(times):
            write(make_thread(lead=lead), subject=f"Message {number}")
            for target in (
                Task.objects.create(title="Call", lead=lead),
                make_suggestion(lead=make_lead(assigned_to=ann)),
            ):
                record(target, "x", by=ann, timeline_owner=lead, summary="x")
            log_conversation(lead, source=ThreadSource.CALL, direction="in", subject="Call", body="Hm.", by=ann)

    few, many = make_lead(assigned_to=ann), make_lead(assigned_to=ann)
    fill(few, 1)
    fill(many, 8)
    ann.has_perm("x")  # loads the permissions
    assert statements(few) == statements(many) <= 5


@pytest.mark.parametrize(
    ("direction", "kw"),
    [
        (Direction.IN, {}),
        (Direction.OUT, {}),
        (Direction.IN, {"nature": Nature.AUTO_REPLY}),
        (Direction.IN, {"nature": Nature.BOUNCE}),
    ],
)
@pytest.mark.parametrize("source", [ThreadSource.EMAIL, ThreadSource.NOTE])
def test_last_activity_moves_with_each_message(source, direction, kw):
    lead = make_lead()
    thread = make_thread(lead=lead, source=source)
    Lead.objects.filter(pk=lead.pk).update(last_activity_at=NOON)
    write(thread, direction, at=NOON + timedelta(hours=1), **kw)
    write(thread, direction, at=NOON - timedelta(hours=1), **kw)  # an older one, imported later
    lead.refresh_from_db()
    assert lead.last_activity_at == NOON + timedelta(hours=1)
    is_contact = source == ThreadSource.EMAIL and not kw
    assert lead.last_contact_at == (NOON + timedelta(hours=1) if is_contact else None)


def test_ticket_of_a_lead_is_on_the_timeline_of_the_lead(ann):
    lead = make_lead(assigned_to=ann)
    ticket = make_ticket(client=None, lead=lead, subject="Wrong form")
    add_ticket_note(ticket, "Sent the right one.", internal=True, by=ann)
    text = "\n".join(summaries(ann, lead))
    assert "Wrong form” opened" in text and "Sent the right one." in text


def test_ticket_page_hides_the_activity_of_a_hidden_customer(as_ann, ann, bob):
    client = make_client(assigned_to=bob)
    record(client, "noted", by=bob, summary="Private note")
    ticket = make_ticket(client=client, subject="Help out", assigned_to=ann)
    page = as_ann.get(f"/support/supportticket/{ticket.pk}/change/").content.decode()
    assert "Help out" in page and "Private note" not in page


def test_line_that_names_a_hidden_record_is_not_shown(ann, bob, max):
    lead, client = make_lead(assigned_to=ann), make_client(name="Hidden & Sons", assigned_to=bob)
    undo_conversion(convert(lead, client, by=SYSTEM_ACTOR), by=SYSTEM_ACTOR)
    other = make_lead(contact_name="Olga Other", contact_email="", assigned_to=bob)
    unmerge(merge(lead, other, {}, by=SYSTEM_ACTOR), by=SYSTEM_ACTOR)
    for name, count in (("Hidden & Sons", 2), ("Olga Other", 2)):
        assert sum(name in line for line in summaries(max, lead)) == count
        assert sum(name in line for line in summaries(ann, lead)) == 0
