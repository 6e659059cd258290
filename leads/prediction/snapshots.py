"""Snapshots of leads: the features that a prediction may use, as a flat object.

A snapshot is taken once, when a lead is created or first predicted, and never changes. What is filled in later
depends on the outcome, so a model must not learn from it (`leads.prediction.known_at_arrival`).
"""

import re
from typing import Any

from crm.records.consent import CHANNELS
from crm.records.custom_fields.references import record_key
from crm.text.freemail import FREE_MAIL_DOMAINS
from leads.models import Lead, Source

MAX_VALUE_LENGTH, MAX_NAME_LENGTH, MAX_CUSTOM_FIELDS = 80, 200, 1_000
CUSTOM_PREFIX = "custom: "
# An import without a column for the source writes the name of its file there.
FILE_NAME_PATTERN = re.compile(r"\.[a-z]{2,4}$", re.IGNORECASE)
# The features that a field of a lead determines.
FEATURES_BY_FIELD = {
    "source_type": ("source",),
    "source_detail": ("source detail",),
    "client_type": ("type of client",),
    "insurance_type": ("line",),
    "company_name": ("has a company",),
    "contact_phone": ("has a phone",),
    "company_website": ("has a website",),
    "contact_email": ("address",),
    "estimated_value": ("value",),
    "created_at": ("weekday",),
    "communications": tuple(f"no {channel}" for channel in CHANNELS),
}
SNAPSHOT_COLUMNS = (
    "source_type",
    "source_detail",
    "communications",
    "client_type",
    "insurance_type__code",
    "company_name",
    "contact_phone",
    "contact_email",
    "company_website",
    "estimated_value",
    "created_at",
    "custom_fields",
)


def build_features(row: dict[str, Any]) -> dict[str, Any]:
    """Return the known features (text, numbers and booleans) of a lead with the `SNAPSHOT_COLUMNS` in `row`."""
    value = row["estimated_value"]
    features: dict[str, Any] = {
        "source": row["source_type"],
        "source detail": source_detail(row),
        "type of client": row["client_type"],
        "line": row["insurance_type__code"],
        "has a company": bool(row["company_name"]),
        "has a phone": bool(row["contact_phone"]),
        "has a website": bool(row["company_website"]),
        "address": email_address_kind(row["contact_email"]),
        "value": float(value) if value is not None else None,
        "weekday": row["created_at"].strftime("%A"),
        **{f"no {channel}": has_opted_out(row["communications"], channel) for channel in CHANNELS},
    }
    custom = row["custom_fields"] if isinstance(row["custom_fields"], dict) else {}
    for key, raw_value in list(custom.items())[:MAX_CUSTOM_FIELDS]:
        features[custom_feature(key)] = feature_value(raw_value)
    return {name: raw_value for name, raw_value in features.items() if raw_value is not None}


def custom_feature(key: str) -> str:
    """Return the name of the feature of a custom field."""
    return f"{CUSTOM_PREFIX}{key[:MAX_NAME_LENGTH]}"


def source_detail(row: dict[str, Any]) -> str | None:
    """Return the source detail of a lead, unless it is blank or the name of an imported file."""
    detail = row["source_detail"].strip()[:MAX_VALUE_LENGTH]
    is_file = row["source_type"] == Source.IMPORT and FILE_NAME_PATTERN.search(row["source_detail"])
    return None if not detail or is_file else detail


def has_opted_out(communications: Any, channel: str) -> bool:
    consent = communications.get(channel) if isinstance(communications, dict) else None
    return isinstance(consent, dict) and (consent.get("do_not_contact") is True or consent.get("consent") is False)


def email_address_kind(email: str) -> str:
    """Return the kind of an email address: "none", "free" or "own domain"."""
    if not email:
        return "none"
    return "free" if email.rpartition("@")[2].lower() in FREE_MAIL_DOMAINS else "own domain"


def feature_value(raw_value: Any) -> Any:
    """Return `raw_value` as a feature; None for lists, objects, blank text, and keys of other records."""
    if isinstance(raw_value, bool | int | float):
        return raw_value
    if isinstance(raw_value, str) and raw_value.strip() and not record_key(raw_value):
        return raw_value.strip()[:MAX_VALUE_LENGTH]
    return None


def build_features_of_leads(leads: Any) -> dict[Any, dict[str, Any]]:
    """Return the current features of each of `leads` (a QuerySet), by ID."""
    return {row["id"]: build_features(row) for row in leads.values("id", *SNAPSHOT_COLUMNS).iterator(chunk_size=2_000)}


def closed_leads() -> Any:
    """Return the won and lost leads, earliest closed first."""
    rows = Lead.objects.closed().exclude(status__category="unqualified")
    return rows.order_by("closed_at", "id")
