"""Who is going cold: two rules, by examples that tell it and examples that do not."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inbox import tasks
from inbox.lead_signals.going_cold import Word, going_cold
from inbox.lead_signals.transitions import notice
from inbox.models import Direction, Message, MessageState, ThreadSource
from inbox.transitions import take_in
from leads.models import Lead, ScoringPolicy
from leads.scoring.rescoring import rescore
from tests.cast import make_lead, make_thread

NOW = timezone.now().replace(microsecond=0)


def words(*said):
    """Words by days ago; a number below zero is theirs."""
    return [Word(NOW - timedelta(days=abs(days)), days < 0, place) for place, days in enumerate(said)]


@pytest.mark.parametrize(
    ("said", "place", "note"),
    [
        # Ours without an answer.
        ([10, 5], 0, "2 of our words"),
        ([-20, 15, 9, 4], 1, "3 of our words"),
        ([-20, 10, 9.5, 9, 4], 1, "3 of our words"),
        ([10, 2.9], None, ""),
        ([10], None, ""),
        ([10, 9.5], None, ""),
        ([10, 5, -1], None, ""),
        ([], None, ""),
        # Theirs, ever slower.
        ([40, -39, 38, -35, 30, -20], 5, "24 hours, 3 days, 10 days"),
        ([50, 40, -39, 38, -35, 30, -20], 6, "24 hours, 3 days, 10 days"),
        ([40, -39, 38, -35, 30, -26], None, ""),
        ([40, -39, 38, -37.8, 30, -29], None, ""),
        ([40, -39, 30, -20], None, ""),
        ([40, -30, 20, -15, 10, -4], None, ""),
        ([40, -39, 38, -35, 30, -20, 19], None, ""),
    ],
)  # fmt: skip
def test_what_tells_it_and_what_does_not(said, place, note):
    found = going_cold(words(*said), NOW)
    assert (found and found.message) == place
    assert found is None or note in found.note


def said(thread, *, days, out=False, body="Thanks."):
    state = MessageState.SENT if out else MessageState.RECEIVED
    direction = Direction.OUT if out else Direction.IN
    at = NOW - timedelta(days=days)
    return take_in(Message(thread=thread, direction=direction, state=state, body_text=body, sent_at=at))


def cold(lead):
    lead.refresh_from_db()
    return [one for one in lead.signals if one["type"] == "going_cold"]


@pytest.mark.django_db
def test_a_silence_is_decided_once_fades_and_another_one_is_another():
    lead = make_lead()
    thread, other = make_thread(lead=lead), make_thread(lead=lead, source=ThreadSource.SMS)
    first = said(thread, days=9, out=True)
    tasks.warn_of_silence(timestamp=0)
    assert cold(lead) == []
    said(other, days=5, out=True)
    tasks.warn_of_silence(timestamp=0)
    tasks.warn_of_silence(timestamp=0)
    [sign] = cold(lead)
    assert (sign["source"], sign["weight"]) == (str(first.pk), -0.15)
    assert sign["timestamp"] == (NOW - timedelta(days=2)).isoformat()
    # Told later of something older that we had said: the same silence.
    said(thread, days=12, out=True)
    tasks.warn_of_silence(timestamp=0)
    assert len(cold(lead)) == 1
    said(thread, days=1.5)
    tasks.warn_of_silence(timestamp=0)
    assert len(cold(lead)) == 1
    strong = {**sign, "type": "x", "weight": 0.5}
    Lead.objects.filter(pk=lead.pk).update(signals=[sign, strong])
    # Two days old by now, and both halve in thirty.
    for later, score in ((0, 0.33), (30, 0.17)):
        rescore([lead.pk], ScoringPolicy.objects.active(), NOW + timedelta(days=later))
        assert float(Lead.objects.get(pk=lead.pk).overall_score) == score


@pytest.mark.django_db
def test_after_an_answer_a_new_silence_is_told_again():
    lead = make_lead()
    thread = make_thread(lead=lead)
    for days, out in ((40, True), (36, True), (20, False), (9, True), (5, True)):
        said(thread, days=days, out=out)
    earlier = {"type": "going_cold", "timestamp": (NOW - timedelta(days=33)).isoformat(), "weight": -0.15}
    Lead.objects.filter(pk=lead.pk).update(signals=[earlier])
    tasks.warn_of_silence(timestamp=0)
    assert len(cold(lead)) == 2


@pytest.mark.django_db
def test_slower_answers_are_noticed_as_they_come():
    lead = make_lead()
    thread = make_thread(lead=lead)
    for days, out in ((40, True), (39, False), (38, True), (35, False), (30, True), (20, False)):
        newest = said(thread, days=days, out=out)
    notice(thread)
    notice(thread)
    [sign] = cold(lead)
    assert sign["source"] == str(newest.pk) and "ever longer" in sign["note"]


@pytest.mark.django_db
def test_a_meeting_is_an_answer_and_a_call_of_ours_is_not_a_word():
    met, called = make_lead(), make_lead()
    for lead, source in ((met, ThreadSource.MEETING), (called, ThreadSource.CALL)):
        thread = make_thread(lead=lead)
        said(thread, days=9, out=True)
        said(make_thread(lead=lead, source=source), days=7, out=True)
        said(thread, days=5, out=True)
    tasks.warn_of_silence(timestamp=0)
    assert (len(cold(met)), len(cold(called))) == (0, 1)
