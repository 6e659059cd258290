"""The rules for comparing and merging leads."""

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import Client, Contact
from crm.records.activity import SYSTEM_ACTOR
from crm.records.duplicates.matching import IdentityColumns, register_identity
from crm.records.merging.rules import RULES, MergeRules
from crm.records.transitions import describe_record
from leads.conversion.transitions import pass_on_refusals
from leads.evaluation_queue import queue_evaluation
from leads.models import ContactLead, Lead, ScoringPolicy
from leads.scoring.explanation import parse_signal_timestamp
from leads.scoring.field_signals import sync_field_signals
from leads.transitions import MAX_SIGNALS_PER_LEAD, refresh_score_and_prediction

LEAD_RULES = MergeRules(
    fields=(
        "contact_name",
        "contact_email",
        "contact_phone",
        "company_name",
        "company_website",
        "client_type",
        "source_type",
        "source_detail",
        "assigned_to",
        "insurance_type",
        "estimated_value",
        "expected_close_date",
    ),
    texts=("notes",),
    objects=("auto_data", "home_data", "line_data", "custom_fields"),
    preferences=("communications",),
    lists=("tags", "additional_insureds", "signals"),
    derived=(
        "overall_score",
        "priority_tier",
        "last_scored_at",
        "predicted_close_probability",
        "last_contact_at",
        "last_activity_at",
        "awaiting_reply",
        "considered_at",
        "next_look_at",
    ),
    excluded_tables=("lead_stage_history", "tier_changes"),
)


def register_lead_rules() -> None:
    """Register the rules; called once at start."""
    LEAD_RULES.guards = [refuse_converted_loser]
    LEAD_RULES.refreshers = [refresh_merged_leads]
    RULES[Lead] = LEAD_RULES
    register_identity(
        Lead,
        IdentityColumns("contact_name", "contact_email", "contact_phone", "company_name"),
        paired_rows=Q(closed_at__isnull=True),
        links={
            ContactLead: {Contact: "contact_id", Lead: "lead_id"},
            Lead: {Lead: "id", Client: "converted_to_client_id"},
        },
    )


def refuse_converted_loser(winner: Lead, loser: Lead) -> None:
    """Refuse a merge that would lose the client a lead was converted to."""
    if loser.converted_to_client_id and loser.converted_to_client_id != winner.converted_to_client_id:
        raise IllegalTransition(
            f"The {describe_record(loser)} was converted to a client. Keep that lead, and merge the other one into it."
        )


def refresh_merged_leads(leads: list[Lead]) -> None:
    """Compute score and probability of `leads` again, and let the next best action look at them."""
    policy, now = ScoringPolicy.objects.active(), timezone.now()
    for lead in leads:
        if len(lead.signals) > MAX_SIGNALS_PER_LEAD:
            newest = sorted(lead.signals, key=signal_moment)[-MAX_SIGNALS_PER_LEAD:]
            Lead.everything.filter(pk=lead.pk).update(signals=newest)
    sync_field_signals([lead.pk for lead in leads], policy, now)
    for lead in leads:
        refresh_score_and_prediction(lead)
        pass_on_refusals(lead, by=SYSTEM_ACTOR)
        Lead.everything.filter(pk=lead.pk).update(next_look_at=now)
        queue_evaluation(lead.pk)


def signal_moment(signal: dict[str, str]) -> datetime:
    return parse_signal_timestamp(signal["timestamp"])
