"""What is known of a lead at one moment, as a flat object: the features that a prediction may rest on.

Taken once, when a lead is first looked at, and kept: what sales fill in afterwards tells how it ended, and must not
seem to have been known before.
"""

from typing import Any

from crm.text.freemail import FREE_MAIL
from leads.models import Lead

LONGEST_VALUE, MOST_KEYS = 80, 60
COLUMNS = (
    "source_type",
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


def snapshot(row: dict[str, Any]) -> dict[str, Any]:
    """The features of a lead whose `COLUMNS` are `row`: text, numbers and yes or no; what is unknown is left out."""
    value = row["estimated_value"]
    found: dict[str, Any] = {
        "source": row["source_type"],
        "type of client": row["client_type"],
        "line": row["insurance_type__code"],
        "has a company": bool(row["company_name"]),
        "has a phone": bool(row["contact_phone"]),
        "has a website": bool(row["company_website"]),
        "address": address(row["contact_email"]),
        "value": float(value) if value is not None else None,
        "weekday": row["created_at"].strftime("%A"),
    }
    custom = row["custom_fields"] if isinstance(row["custom_fields"], dict) else {}
    for key, told in list(custom.items())[:MOST_KEYS]:
        found[f"custom: {key[:LONGEST_VALUE]}"] = plain(told)
    return {name: told for name, told in found.items() if told is not None}


def address(email: str) -> str:
    """What sort of address a lead has written from."""
    if not email:
        return "none"
    return "free" if email.rpartition("@")[2].lower() in FREE_MAIL else "own domain"


def plain(told: Any) -> Any:
    """`told` as a feature; lists and objects are none."""
    if isinstance(told, bool | int | float):
        return told
    if isinstance(told, str) and told.strip():
        return told.strip()[:LONGEST_VALUE]
    return None


def snapshots_of(leads: Any) -> dict[Any, dict[str, Any]]:
    """The features of each of `leads` (a QuerySet) as they stand now, by key."""
    return {row["id"]: snapshot(row) for row in leads.values("id", *COLUMNS).iterator(chunk_size=2_000)}


def closed() -> Any:
    """The leads that ended, won or lost, the oldest end first."""
    rows = Lead.objects.closed().exclude(status__category="unqualified")
    return rows.order_by("closed_at", "id")
