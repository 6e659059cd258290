"""Load the demo agency from its fixture, with all dates moved so that its history ends last midnight."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pgtrigger
from django.contrib.auth.hashers import check_password, make_password
from django.core import serializers
from django.core.serializers.base import DeserializationError
from django.db import connection, transaction
from django.db.models import F

from crm.accounts.demo_logins import DEMO_PASSWORD
from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import ActivityLog, User
from crm.records.duplicates.pairs import find_all_pairs
from crm.records.local_time import agency_zone, start_of_agency_day
from crm.schema.usage.transitions import scan_tables
from demo.field_usage import add_field_usage
from demo.notifications import add_notifications
from demo.shift_dates import shift_all_dates
from leads.models import ScoringPolicy
from leads.scoring.field_signals import sync_all_field_signals
from leads.scoring.rescoring import rescore_all_leads
from suggestions.transitions import content_digest, idempotency_key
from support.models import SupportTicket
from support.service_levels.due_times import compute_outdated

FIXTURE = Path(__file__).parent / "fixtures" / "demo.json"
# The history in the fixture ends before this midnight; plans begin after it.
FIXTURE_DATE = date(2026, 11, 2)


def fixture_rows() -> list[dict[str, Any]]:
    """Return the rows of the fixture, in an order in which they can be inserted."""
    return json.loads(FIXTURE.read_text(encoding="utf-8"))


def demo_usernames() -> list[str]:
    """Return the usernames of the staff of the demo agency."""
    return [row["fields"]["username"] for row in fixture_rows() if row["model"] == "crm.user"]


@transaction.atomic
def load_demo(today: date) -> int:
    """Insert the demo agency, with its dates moved so that its history ends before `today`.

    Returns the number of rows; 0 if the demo was ever loaded before, even if it has changed since.

    Raises:
        IllegalTransition: another user has a username of the demo staff.
        InvalidInput: the database refuses a row.
    """
    with connection.cursor() as cursor:
        # A second process waits here, and then finds the rows of the first.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('demo'))")
    if is_demo_loaded():
        return 0
    existing_usernames = User.objects.filter(username__in=demo_usernames()).values_list("username", flat=True)
    if existing_usernames:
        raise IllegalTransition(
            f"The demo has its own users, but these usernames are taken: {', '.join(sorted(existing_usernames))}."
        )
    count = insert_rows(move_dates_to(today))
    eve = start_of_agency_day(today) - timedelta(seconds=1)
    policy = ScoringPolicy.objects.active()
    for _ in sync_all_field_signals(policy, eve):
        pass
    for _ in rescore_all_leads(policy, eve):
        pass
    for _ in find_all_pairs(eve):
        pass
    # The due times are no change of what the fixture says: they are computed for the first time.
    with pgtrigger.ignore("support.SupportTicket:update_update"):
        SupportTicket.objects.unresolved().update(due_is_stale=True, updated_at=F("updated_at"))
        compute_outdated()
    add_notifications(start_of_agency_day(today))
    add_field_usage(today)
    for _ in scan_tables(eve):
        pass
    return count


def is_demo_loaded() -> bool:
    """Return whether the demo was ever loaded: its rows in the activity log cannot be deleted."""
    activity_ids = [row["pk"] for row in fixture_rows() if row["model"] == "crm.activitylog"]
    return ActivityLog.objects.filter(pk__in=activity_ids).exists()


def move_dates_to(today: date) -> list[dict[str, Any]]:
    """Return the rows with their dates moved to `today`, and the hashes and keys that depend on them updated."""
    zone, days = agency_zone(), (today - FIXTURE_DATE).days
    # Hash the password once: hashing is slow, and separate salts do not protect a public password.
    password = make_password(DEMO_PASSWORD)
    moved_rows = [{**row, "fields": shift_all_dates(row["fields"], days, zone)} for row in fixture_rows()]
    keys: dict[str, str] = {}
    for row in moved_rows:
        fields = row["fields"]
        if row["model"] == "crm.user":
            fields["password"] = password
        elif fields.get("approved_content") is not None:
            fields["content_hash"] = content_digest(fields["approved_content"])
            keys[row["pk"]] = idempotency_key(row["pk"], fields["content_hash"])
        elif row["model"] == "suggestions.suggestionexecution":
            fields["idempotency_key"] = keys[fields["suggestion"]]
    return moved_rows


def insert_rows(new_rows: list[dict[str, Any]]) -> int:
    """Insert `new_rows`; a row that exists already is refused, not overwritten."""
    try:
        with errors_as_invalid_input():
            for record in serializers.deserialize("python", new_rows):
                record.save(force_insert=True)
    except DeserializationError as error:
        raise InvalidInput(f"The demo needs a group, stage or line of insurance that was deleted: {error}") from error
    return len(new_rows)


def demo_logins() -> list[tuple[str, str, str, str]]:
    """Return username, name, role and password of the demo staff; "(changed)" for a changed password."""
    staff = User.objects.filter(username__in=demo_usernames(), is_active=True).prefetch_related("groups")
    has_demo_password = {hashed: check_password(DEMO_PASSWORD, hashed) for hashed in {user.password for user in staff}}
    login_rows = [
        (
            user.username,
            str(user),
            ", ".join(group.name for group in user.groups.all()),
            DEMO_PASSWORD if has_demo_password[user.password] else "(changed)",
        )
        for user in staff
    ]
    return sorted(login_rows, key=lambda login: (login[2], login[0]))
