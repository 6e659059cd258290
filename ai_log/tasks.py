"""The job that sums the days of the log."""

from django.utils import timezone
from procrastinate.contrib.django import app

from ai_log.usage.rollup import store_finished_days


@app.periodic(cron="25 0 * * *")
@app.task(name="ai_log.keep_days", lock="ai_log.keep_days")
def sum_days(timestamp: int) -> None:
    """Sum the days that are over, so that months can be told without reading every call."""
    for _ in store_finished_days(timezone.now()):
        pass
