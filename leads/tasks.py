"""The jobs that keep leads in order."""

from datetime import timedelta

from django.utils import timezone
from procrastinate.contrib.django import app

from leads.models import ScoringPolicy, TierChange
from leads.rescoring import rescore_all
from leads.transitions import SCORE_ALL

KEPT = timedelta(days=365)


@app.periodic(cron="40 2 * * *")
@app.task(name=SCORE_ALL, lock=SCORE_ALL)
def score_all(timestamp: int) -> None:
    """Score every open lead by the policy in use, and forget changes of tier that are older than a year."""
    now = timezone.now()
    for _ in rescore_all(ScoringPolicy.objects.active(), now):
        pass
    TierChange.objects.filter(at__lt=now - KEPT).delete()
