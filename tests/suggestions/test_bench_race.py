"""Several people decide one queue at once, each in a process of their own: the small form of `python -m bench race`."""

from collections import Counter

import pytest

from bench import queue_decider, race
from crm.models import ActivityLog
from suggestions.models import Suggestion
from tests.forking import Child

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]


def start_racer(name: str) -> Child:
    return Child(queue_decider.main, name)


def test_concurrent_deciders_never_decide_twice(capsys):
    assert race.run_race(people=4, suggestions=40, start=start_racer), capsys.readouterr().out


def test_double_decision_is_detected_by_the_report(capsys):
    race.create_suggestions(1)
    row = Suggestion.objects.get()
    for _ in range(2):
        ActivityLog.objects.create(
            actor_type="system",
            verb="approved",
            summary="Approved.",
            target_type="suggestions.suggestion",
            target_id=row.pk,
            about_type="suggestions.suggestion",
            about_id=row.pk,
            occurred_at=row.created_at,
        )
    assert not race.report(1, Counter(decided=2), 1.0)
    assert "MISSED (decided twice, not all decided)" in capsys.readouterr().out
