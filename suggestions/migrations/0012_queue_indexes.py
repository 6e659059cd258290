"""Indexes for the parts of the queue that none served: what waits, is put off or deleted, and of whom it is."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper

NEWEST = (models.F("created_at").desc(), models.F("id").desc())
LIVE = models.Q(deleted_at__isnull=True)
INDEXES = [
    models.Index(
        *NEWEST,
        condition=LIVE & models.Q(status="PENDING"),
        include=["owner", "snoozed_until", "expires_at", "type", "confidence"],
        name="suggestions_waiting",
    ),
    models.Index(
        *NEWEST,
        condition=LIVE & models.Q(status="PENDING", snoozed_until__isnull=False),
        include=["snoozed_until", "owner"],
        name="suggestions_snoozed",
    ),
    models.Index(*NEWEST, condition=models.Q(deleted_at__isnull=False), name="suggestions_deleted"),
    models.Index(Upper("agent"), *NEWEST, condition=LIVE & ~models.Q(agent=""), name="suggestions_of_agent"),
    models.Index(
        Upper("ai_model_version"),
        *NEWEST,
        condition=LIVE & ~models.Q(ai_model_version=""),
        name="suggestions_of_model",
    ),
]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("suggestions", "0011_kept_while_under_way")]
    operations = [AddIndexConcurrently(model_name="suggestion", index=index) for index in INDEXES]
