"""Jobs: score leads, update probabilities, train the prediction model, lapse policies, import uploaded files."""

import logging
from datetime import timedelta
from io import StringIO
from uuid import UUID

from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from crm.records.local_time import agency_today
from leads.importing.batches.running import run_batch
from leads.importing.batches.transitions import RUN_IMPORT_TASK, delete_old_files
from leads.importing.exceptions import BatchLocked
from leads.lines.transitions import UPGRADE_TASK, upgrade_answers
from leads.models import PredictionModel, ScoringPolicy, TierChange
from leads.policies.transitions import lapse_expired
from leads.prediction.transitions import PREDICT_ALL_TASK, TRAIN_TASK, update_all_probabilities
from leads.scoring.field_signals import sync_all_field_signals
from leads.scoring.rescoring import rescore_all_leads
from leads.transitions import SCORE_ALL_TASK, correct_future_dates

logger = logging.getLogger(__name__)

LAPSE_POLICIES_TASK = "leads.lapse_policies"
TIER_CHANGE_RETENTION = timedelta(days=365)
IMPORT_FILE_RETENTION = timedelta(days=30)
# A cancelled import takes a moment to stop; until then it keeps its lock. A database that crashed is soon back.
IMPORT_RETRY = RetryStrategy(max_attempts=60, wait=10, retry_exceptions=[BatchLocked, OperationalError, InterfaceError])


@app.periodic(cron="40 2 * * *")
@app.task(name=SCORE_ALL_TASK, lock=SCORE_ALL_TASK)
def score_all_leads(timestamp: int) -> None:
    """Update the signals and the score of every open lead, whatever dates a clock that ran ahead has left.

    Tier changes older than a year are deleted.
    """
    now, policy = timezone.now(), ScoringPolicy.objects.active()
    correct_future_dates(now)
    for _ in sync_all_field_signals(policy, now):
        pass
    for _ in rescore_all_leads(policy, now):
        pass
    TierChange.objects.filter(at__lt=now - TIER_CHANGE_RETENTION).delete()


@app.periodic(cron="20 2 * * *")
@app.task(name=LAPSE_POLICIES_TASK, lock=LAPSE_POLICIES_TASK)
def lapse_expired_policies(timestamp: int) -> None:
    """Mark the policies that expired without a renewal as lapsed."""
    today = agency_today()
    while lapse_expired(today):
        pass


@app.periodic(cron="10 3 * * *")
@app.task(name=PREDICT_ALL_TASK, lock=PREDICT_ALL_TASK)
def predict_all_leads(timestamp: int) -> None:
    """Update the probability of every open lead with the active model."""
    for _ in update_all_probabilities(PredictionModel.objects.active(), timezone.now()):
        pass


@app.periodic(cron="30 1 * * 0")
@app.task(name=TRAIN_TASK, lock=TRAIN_TASK)
def retrain_prediction_model(timestamp: int) -> None:
    """Train a new model on the closed leads, if there are enough.

    The command runs here because it imports scikit-learn, which workers should not load for other jobs.
    """
    try:
        call_command("train_prediction", stdout=StringIO())
    except CommandError as error:
        logger.info("The prediction model was not trained: %s", error)


@app.task(name=RUN_IMPORT_TASK, retry=IMPORT_RETRY)
def run_import_batch(batch: str) -> None:
    """Check or import an uploaded file."""
    run_batch(UUID(batch))


@app.task(name=UPGRADE_TASK)
def upgrade_line(line: str) -> None:
    """Bring the stored answers of a line to the version of its form."""
    upgrade_answers(line)


@app.periodic(cron="20 4 * * *")
@app.task(name="leads.delete_import_files", queueing_lock="leads.delete_import_files")
def delete_import_files(timestamp: int) -> None:
    """Delete the files of old imports; the imports stay."""
    while delete_old_files(timezone.now() - IMPORT_FILE_RETENTION):
        pass
