"""The jobs that keep leads in order."""

import logging
from datetime import timedelta
from io import StringIO

from django.core.management import CommandError, call_command
from django.utils import timezone
from procrastinate.contrib.django import app

from leads.models import PredictionModel, ScoringPolicy, TierChange
from leads.prediction.transitions import PREDICT_ALL, TRAIN, predict_all
from leads.scoring.field_signals import read_all
from leads.scoring.rescoring import rescore_all
from leads.transitions import SCORE_ALL

logger = logging.getLogger(__name__)

KEPT = timedelta(days=365)


@app.periodic(cron="40 2 * * *")
@app.task(name=SCORE_ALL, lock=SCORE_ALL)
def score_all(timestamp: int) -> None:
    """Read the facts about every open lead, score it, and forget changes of tier that are older than a year."""
    now, policy = timezone.now(), ScoringPolicy.objects.active()
    for _ in read_all(policy, now):
        pass
    for _ in rescore_all(policy, now):
        pass
    TierChange.objects.filter(at__lt=now - KEPT).delete()


@app.periodic(cron="10 3 * * *")
@app.task(name=PREDICT_ALL, lock=PREDICT_ALL)
def tell_chances(timestamp: int) -> None:
    """Look at every open lead that is new, and tell the chance of all by the model in use."""
    for _ in predict_all(PredictionModel.objects.active(), timezone.now()):
        pass


@app.periodic(cron="30 1 * * 0")
@app.task(name=TRAIN, lock=TRAIN)
def learn(timestamp: int) -> None:
    """Learn anew from the leads that have ended, if they are enough; what that takes is loaded for it alone."""
    try:
        call_command("train_prediction", stdout=StringIO())
    except CommandError as refusal:
        logger.info("%s", refusal)
