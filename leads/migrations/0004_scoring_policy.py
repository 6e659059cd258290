"""The scoring policy that every agency starts with."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

WEIGHTS = {
    "email_opened": (0.10, 14),
    "replied_quickly": (0.20, 30),
    "multiple_stakeholders": (0.15, 60),
    "budget_mentioned": (0.25, 60),
    "decision_maker": (0.20, 90),
    "clear_requirements": (0.15, 60),
    "urgency_detected": (0.20, 14),
    "follow_up_requested": (0.15, 30),
    "meeting_scheduled": (0.25, 30),
    "proposal_viewed": (0.20, 21),
    "referral": (0.15, 120),
    "fit": (0.10, 180),
    "competitor_mentioned": (-0.10, 60),
    "price_sensitive": (-0.10, 60),
    "just_exploring": (-0.15, 45),
    "going_cold": (-0.15, 30),
    "bounced": (-0.20, 90),
}


def seed(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("leads", "ScoringPolicy").objects.create(
        version=1,
        note="Default weights, half-lives and tiers.",
        weights={name: {"weight": weight, "half_life_days": days} for name, (weight, days) in WEIGHTS.items()},
        is_active=True,
        activated_at=timezone.now(),
    )


class Migration(migrations.Migration):
    dependencies = [("leads", "0003_stages_and_lines")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
