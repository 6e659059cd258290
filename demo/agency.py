"""The demo agency: fixtures that tell a story up to one midnight, loaded as if it were the last one."""

import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.core import serializers
from django.core.serializers.base import DeserializationError
from django.db import connection, transaction
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, refusing
from crm.models import ActivityLog, User
from demo.shift_dates import moved
from leads.models import ScoringPolicy
from leads.scoring.field_signals import read_all
from leads.scoring.rescoring import rescore_all
from suggestions.transitions import digest, idempotency_key

FIXTURE = Path(__file__).parent / "fixtures" / "demo.json"
# What has happened in the fixtures lies before this midnight, what is planned lies after it.
ANCHOR = date(2026, 11, 2)
PASSWORD = "demo"


def rows() -> list[dict[str, Any]]:
    """Return the rows of the fixture, in an order in which they can be inserted."""
    return json.loads(FIXTURE.read_text(encoding="utf-8"))


def usernames() -> list[str]:
    """Who works at the demo agency."""
    return [row["fields"]["username"] for row in rows() if row["model"] == "crm.user"]


@transaction.atomic
def load(today: date) -> int:
    """Insert the demo, its dates moved so that it ends on the eve of `today`.

    Returns the number of rows: 0 where the demo was ever loaded before, whatever became of it since.

    Raises:
        IllegalMove: somebody who is not of the demo has a username of its staff.
        BadInput: the database refuses a row.
    """
    with connection.cursor() as cursor:
        # Whoever loads at the same time waits here, and then finds the rows of the first.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('demo'))")
    if is_loaded():
        return 0
    taken = User.objects.filter(username__in=usernames()).values_list("username", flat=True)
    if taken:
        raise IllegalMove(f"It brings its own users, and these names are taken: {', '.join(sorted(taken))}.")
    count = insert(as_of(today))
    eve = timezone.make_aware(datetime.combine(today, time.min)) - timedelta(seconds=1)
    policy = ScoringPolicy.objects.active()
    for _ in read_all(policy, eve):
        pass
    for _ in rescore_all(policy, eve):
        pass
    return count


def is_loaded() -> bool:
    """Whether the demo was ever loaded here: what stands in the activity log, nobody can delete."""
    lines = [row["pk"] for row in rows() if row["model"] == "crm.activitylog"]
    return ActivityLog.objects.filter(pk__in=lines).exists()


def as_of(today: date) -> list[dict[str, Any]]:
    """The rows with their dates moved to `today`, and what follows from the dates made to fit."""
    zone, days = timezone.get_current_timezone(), (today - ANCHOR).days
    # One for all: hashing is slow on purpose, and a salt for each would guard nothing here.
    password = make_password(PASSWORD)
    found = [{**row, "fields": moved(row["fields"], days, zone)} for row in rows()]
    keys: dict[str, str] = {}
    for row in found:
        fields = row["fields"]
        if row["model"] == "crm.user":
            fields["password"] = password
        elif fields.get("approved_content") is not None:
            fields["content_hash"] = digest(fields["approved_content"])
            keys[row["pk"]] = idempotency_key(row["pk"], fields["content_hash"])
        elif row["model"] == "suggestions.suggestionexecution":
            fields["idempotency_key"] = keys[fields["suggestion"]]
    return found


def insert(found: list[dict[str, Any]]) -> int:
    """Insert `found`; a row that is there already is refused and not overwritten."""
    try:
        with refusing():
            for record in serializers.deserialize("python", found):
                record.save(force_insert=True)
    except DeserializationError as error:
        raise BadInput(f"It needs a group, a stage or a line of insurance that is gone: {error}") from error
    return len(found)


def logins() -> list[tuple[str, str, str, str]]:
    """Username, name, role and password of the demo's staff; a password changed since is not known."""
    staff = User.objects.filter(username__in=usernames(), is_active=True).prefetch_related("groups")
    known = {hashed: check_password(PASSWORD, hashed) for hashed in {user.password for user in staff}}
    found = [
        (
            user.username,
            str(user),
            ", ".join(group.name for group in user.groups.all()),
            PASSWORD if known[user.password] else "(changed)",
        )
        for user in staff
    ]
    return sorted(found, key=lambda login: (login[2], login[0]))
