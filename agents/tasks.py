"""The jobs of the agents: what follows a message or a move, what a silence leads to, and what models are asked."""

from uuid import UUID

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from agents import process_threads
from agents.drafting import improve_draft
from agents.next_best_action import conversions, evaluate_leads, renewals, withdrawals
from inbox.incoming.processing_queue import PROCESS_THREADS_JOB
from leads.evaluation_queue import EVALUATE_LEADS_JOB
from suggestions.transitions.propose import withdraw_refused_by_clients
from suggestions.transitions.state import NEXT_BEST_ACTION_AGENT

# After a bug, or while the database is down.
RETRY = RetryStrategy(max_attempts=5, exponential_wait=2)


@app.task(name=PROCESS_THREADS_JOB, retry=RETRY)
def process_changed_threads(threads: list[str]) -> None:
    """Process threads after a message or a change: signals, score, triage or the next best action."""
    process_threads.process_threads(map(UUID, threads))


@app.task(name=EVALUATE_LEADS_JOB, retry=RETRY)
def evaluate_moved_leads(leads: list[str]) -> None:
    """Propose the next best action about leads that moved, and the conversion of won ones; withdraw overtaken moves."""
    keys = [UUID(lead) for lead in leads]
    withdrawals.withdraw_overtaken_moves(keys)
    evaluate_leads.evaluate_changed_leads(keys)
    conversions.propose_conversions(keys)


@app.periodic(cron="* * * * *")
@app.task(name="agents.evaluate_due_leads", queueing_lock="agents.evaluate_due_leads")
def evaluate_due_leads(timestamp: int) -> None:
    """Propose the next best action about new leads and those whose silence has become too long."""
    evaluate_leads.evaluate_due_leads()


@app.periodic(cron="* * * * *")
@app.task(name="agents.withdraw_refused", queueing_lock="agents.withdraw_refused")
def withdraw_refused(timestamp: int) -> None:
    """Withdraw the waiting suggestions that the contact preferences of a client forbid since they changed."""
    withdraw_refused_by_clients(by=NEXT_BEST_ACTION_AGENT)


@app.periodic(cron="50 2 * * *")
@app.task(name="agents.propose_renewals", queueing_lock="agents.propose_renewals")
def propose_renewals(timestamp: int) -> None:
    """Propose the follow-up about policies that expire soon."""
    renewals.propose_renewals()


@app.periodic(cron="7 * * * *")
@app.task(name="agents.requeue_lost", queueing_lock="agents.requeue_lost")
def requeue_lost_threads(timestamp: int) -> None:
    """Queue threads that lost their job, wait for triage, have a new contact among them, or are unread by a model."""
    now = timezone.now()
    process_threads.requeue_lost_threads(now)
    process_threads.requeue_model_readings(now)


# Not retried: the outcome is in the AI log, and the text by rules stays.
@app.task(name=improve_draft.ASK_MODEL_TASK)
def ask_model_job(suggestion: str) -> None:
    """Ask a model to improve one waiting suggestion."""
    improve_draft.ask_model(UUID(suggestion))


@app.periodic(cron="40 4 * * *")
@app.task(name="agents.ask_later", queueing_lock="agents.ask_later")
def ask_models_later(timestamp: int) -> None:
    """Queue the questions about waiting suggestions that no model answered during the day."""
    improve_draft.enqueue_skipped_questions()
