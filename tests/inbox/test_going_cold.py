"""The two rules for leads that are going cold, with positive and negative examples."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inbox import tasks
from inbox.lead_signals.going_cold import ContactEvent, detect_going_cold
from inbox.lead_signals.transitions import add_thread_signals
from inbox.models import Direction, Message, MessageState, ThreadSource
from inbox.transitions import add_to_thread
from leads.models import Lead, ScoringPolicy
from leads.scoring.rescoring import rescore_leads
from tests.cast import make_lead, make_thread

NOW = timezone.now().replace(microsecond=0)


def make_words(*said):
    """Build messages by their age in days; a negative number is a message from the lead."""
    return [ContactEvent(NOW - timedelta(days=abs(days)), days < 0, place) for place, days in enumerate(said)]


@pytest.mark.parametrize(
    ("said", "place", "note"),
    [
        # Our messages without a reply.
        ([10, 5], 0, "2 of our words"),
        ([-20, 15, 9, 4], 1, "3 of our words"),
        ([-20, 10, 9.5, 9, 4], 1, "3 of our words"),
        ([10, 2.9], None, ""),
        ([10], None, ""),
        ([10, 9.5], None, ""),
        ([10, 5, -1], None, ""),
        ([], None, ""),
        # Their replies, ever slower.
        ([40, -39, 38, -35, 30, -20], 5, "24 hours, 3 days, 10 days"),
        ([50, 40, -39, 38, -35, 30, -20], 6, "24 hours, 3 days, 10 days"),
        ([40, -39, 38, -35, 30, -26], None, ""),
        ([40, -39, 38, -37.8, 30, -29], None, ""),
        ([40, -39, 30, -20], None, ""),
        ([40, -30, 20, -15, 10, -4], None, ""),
        ([40, -39, 38, -35, 30, -20, 19], None, ""),
    ],
)  # fmt: skip
def test_going_cold_rules_match_expected_cases(said, place, note):
    found = detect_going_cold(make_words(*said), NOW)
    assert (found and found.message) == place
    assert found is None or note in found.note


def add_message(thread, *, days, out=False, body="Thanks."):
    state = MessageState.SENT if out else MessageState.RECEIVED
    direction = Direction.OUT if out else Direction.IN
    at = NOW - timedelta(days=days)
    return add_to_thread(Message(thread=thread, direction=direction, state=state, body_text=body, sent_at=at))


def going_cold_signals(lead):
    lead.refresh_from_db()
    return [one for one in lead.signals if one["type"] == "going_cold"]


@pytest.mark.django_db
def test_silence_signal_is_added_once_and_fades():
    lead = make_lead()
    thread, other = make_thread(lead=lead), make_thread(lead=lead, source=ThreadSource.SMS)
    first = add_message(thread, days=9, out=True)
    tasks.warn_of_silence(timestamp=0)
    assert going_cold_signals(lead) == []
    add_message(other, days=5, out=True)
    tasks.warn_of_silence(timestamp=0)
    tasks.warn_of_silence(timestamp=0)
    [sign] = going_cold_signals(lead)
    assert (sign["source"], sign["weight"]) == (str(first.pk), -0.15)
    assert sign["timestamp"] == (NOW - timedelta(days=2)).isoformat()
    # An older message of ours is stored later: the silence is the same.
    add_message(thread, days=12, out=True)
    tasks.warn_of_silence(timestamp=0)
    assert len(going_cold_signals(lead)) == 1
    add_message(thread, days=1.5)
    tasks.warn_of_silence(timestamp=0)
    assert len(going_cold_signals(lead)) == 1
    strong = {**sign, "type": "x", "weight": 0.5}
    Lead.objects.filter(pk=lead.pk).update(signals=[sign, strong])
    # Two days old by now; the half-life of both is thirty days.
    for later, score in ((0, 0.33), (30, 0.17)):
        rescore_leads([lead.pk], ScoringPolicy.objects.active(), NOW + timedelta(days=later))
        assert float(Lead.objects.get(pk=lead.pk).overall_score) == score


@pytest.mark.django_db
def test_new_silence_after_a_reply_adds_second_signal():
    lead = make_lead()
    thread = make_thread(lead=lead)
    for days, out in ((40, True), (36, True), (20, False), (9, True), (5, True)):
        add_message(thread, days=days, out=out)
    earlier = {"type": "going_cold", "timestamp": (NOW - timedelta(days=33)).isoformat(), "weight": -0.15}
    Lead.objects.filter(pk=lead.pk).update(signals=[earlier])
    tasks.warn_of_silence(timestamp=0)
    assert len(going_cold_signals(lead)) == 2


@pytest.mark.django_db
def test_slower_replies_add_going_cold_signal():
    lead = make_lead()
    thread = make_thread(lead=lead)
    for days, out in ((40, True), (39, False), (38, True), (35, False), (30, True), (20, False)):
        newest = add_message(thread, days=days, out=out)
    add_thread_signals(thread)
    add_thread_signals(thread)
    [sign] = going_cold_signals(lead)
    assert sign["source"] == str(newest.pk) and "ever longer" in sign["note"]


@pytest.mark.django_db
def test_meeting_counts_as_reply_but_our_call_is_not_a_message():
    met, called = make_lead(), make_lead()
    for lead, source in ((met, ThreadSource.MEETING), (called, ThreadSource.CALL)):
        thread = make_thread(lead=lead)
        add_message(thread, days=9, out=True)
        add_message(make_thread(lead=lead, source=source), days=7, out=True)
        add_message(thread, days=5, out=True)
    tasks.warn_of_silence(timestamp=0)
    assert (len(going_cold_signals(met)), len(going_cold_signals(called))) == (0, 1)
