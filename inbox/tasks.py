"""The jobs that keep conversations in order."""

from procrastinate.contrib.django import app

from leads.ownership import repaired


@app.periodic(cron="10 4 * * *")
@app.task(name="inbox.repair_owners", queueing_lock="inbox.repair_owners")
def repair_owners(timestamp: int) -> None:
    """Set right the owners of conversations that were linked while their lead changed hands."""
    repaired("threads")
