"""A scoring of all leads that is killed leaves whole batches, and the next one finishes the work."""

import signal
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from leads.models import Lead, ScoringPolicy, TierChange
from leads.scoring.field_signals import sync_all_field_signals
from leads.scoring.rescoring import rescore_all_leads
from tests.cast import make_lead
from tests.crm.processes import wait_until
from tests.forking import forked
from tests.killing import StatementCounter, count_statements, other_sessions, run_and_count

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]
LEADS, BATCH, KILLS = 9, 2, 5
AT = datetime(2026, 11, 30, 2, 40, tzinfo=UTC)


def score_all() -> None:
    policy = ScoringPolicy.objects.active()
    for _ in sync_all_field_signals(policy, AT, batch=BATCH):
        pass
    for _ in rescore_all_leads(policy, AT, batch=BATCH):
        pass


def scores() -> list[tuple]:
    return list(Lead.objects.order_by("id").values_list("id", "overall_score", "priority_tier"))


def test_scoring_that_is_killed_is_finished_by_the_next_one():
    for number in range(LEADS):
        weight = number / LEADS
        signal_of_lead = {"type": "budget_mentioned", "timestamp": timezone.now().isoformat(), "weight": weight}
        make_lead(signals=[signal_of_lead], estimated_value=1_000 * number)
    Lead.objects.update(overall_score=None, priority_tier=None)
    TierChange.objects.all().delete()
    total, partly = count_statements(score_all), 0
    for place in range(KILLS):
        number = 2 + place * (total - 2) // KILLS
        with forked(run_and_count, score_all, StatementCounter(number)) as child:
            said, _ = child.communicate()
        assert child.returncode == -signal.SIGKILL, f"not killed at statement {number} of {total}: {said}"
        assert wait_until(lambda: not other_sessions())
        scored = Lead.objects.exclude(overall_score=None).count()
        assert scored % BATCH == 0 or scored == LEADS
        partly += 0 < scored < LEADS
    assert partly, "no kill met a scoring that had begun"
    score_all()
    finished = scores()
    assert all(score is not None and tier for _, score, tier in finished)
    assert TierChange.objects.count() == LEADS
    score_all()
    assert scores() == finished and TierChange.objects.count() == LEADS
