"""Periodic job: store the daily sums of the AI log."""

from django.utils import timezone
from procrastinate.contrib.django import app

from ai_log.usage.rollup import store_finished_days


@app.periodic(cron="25 0 * * *")
@app.task(name="ai_log.keep_days", lock="ai_log.keep_days")
def sum_days(timestamp: int) -> None:
    """Store the sums of finished days, so that figures of months do not have to read every call."""
    for _ in store_finished_days(timezone.now()):
        pass
