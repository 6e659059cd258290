"""The jobs of tickets: waits for the customer, due times, warnings and escalation."""

from django.utils import timezone
from procrastinate.contrib.django import app

from support.service_levels.due_times import COMPUTE_TASK, compute_outdated
from support.service_levels.escalation import escalate_late, warn_of_due_times
from support.service_levels.waiting import notice_messages


@app.task(name=COMPUTE_TASK)
def compute_due_times() -> None:
    """Compute the outdated due times of tickets again."""
    compute_outdated()


@app.periodic(cron="* * * * *")
@app.task(name="support.watch_times", lock="support.watch_times", queueing_lock="support.watch_times")
def watch_times(timestamp: int) -> None:
    """Notice what messages changed, compute outdated due times, warn of those that come near, escalate late tickets."""
    notice_messages()
    compute_outdated()
    now = timezone.now()
    warn_of_due_times(now)
    escalate_late(now)
