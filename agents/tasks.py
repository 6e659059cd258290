"""The jobs of the agents."""

from uuid import UUID

from django.utils import timezone
from procrastinate.contrib.django import app

from agents.drafting import improve_draft
from agents.next_best_action import evaluate_leads
from agents.triage import triage_threads


# Not tried again by itself: whatever came of it is written down, and the rules' words stand.
@app.task(name=improve_draft.ASK_MODEL_TASK)
def ask_model_job(suggestion: str) -> None:
    """Ask a model to better one suggestion that waits."""
    improve_draft.ask_model(UUID(suggestion))


@app.periodic(cron="40 4 * * *")
@app.task(name="agents.ask_later", queueing_lock="agents.ask_later")
def ask_models_later(timestamp: int) -> None:
    """Have models asked about what waits and could not be asked about by day."""
    improve_draft.enqueue_skipped_questions()


@app.periodic(cron="* * * * *")
@app.task(name="agents.triage", queueing_lock="agents.triage")
def triage_new_threads(timestamp: int) -> None:
    """Look at the conversations that belong to nobody and have news, and propose whose they are."""
    triage_threads.triage_unlinked_threads()


@app.periodic(cron="* * * * *")
@app.task(name="agents.consider", queueing_lock="agents.consider")
def propose_next_best_actions(timestamp: int) -> None:
    """Look at the leads with news or a silence that has become too long, and propose what is best done next."""
    evaluate_leads.evaluate_due_leads()


@app.periodic(cron="7 * * * *")
@app.task(name="agents.triage_again", queueing_lock="agents.triage_again")
def retriage_threads(timestamp: int) -> None:
    """Have those looked at anew in which somebody takes part who has become known since."""
    triage_threads.reset_triage_for_new_contacts(timezone.now())
