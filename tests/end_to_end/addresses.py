"""Every address of the admin, with the records of a small world as keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any
from unittest import mock
from uuid import UUID

from django.contrib import admin, auth
from django.contrib.auth.models import Group
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from ai_log.models import AIInteraction
from crm.models import (
    Client,
    CustomField,
    DuplicatePair,
    FieldStatistic,
    LoginLimit,
    Notification,
    Project,
    SavedView,
    SchemaChange,
    SchemaThresholds,
    User,
)
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.activity import SYSTEM_ACTOR, record
from crm.screens.reports import Report
from crm.screens.reports.all_reports import all_reports
from inbox.drafts.screen import OUTGOING_ACTIONS
from inbox.models import Draft, Mailbox, Message, SetAside, WebForm
from inbox.models.email_template import EmailTemplate
from inbox.transitions import add_to_thread
from leads.models import (
    ContactLead,
    ImportBatch,
    ImportMapping,
    InsuranceType,
    Lead,
    LeadStatus,
    PredictionModel,
    ScoringPolicy,
    Task,
)
from suggestions.models import AutonomySetting
from tests.cast import (
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_suggestion,
    make_thread,
    make_ticket,
    make_user,
)

# The public URLs of our emails and web forms; the token is unknown.
OUTSIDE = {"public_picture": 200, "public_proposal": 404, "web_form": 404}
OPEN_TO_ALL = {"login", "logout", "jsi18n", "admin_password_reset", "choose_password", "login_code", *OUTSIDE}
NOT_WALKED = {"view_on_site"}  # redirects to pages outside the admin; there are none
# The URL parameters besides the key of the record.
ANY_KEY = UUID("01990000-0000-7000-8000-000000000001")
# Pages under the address of one table with the key of another.
OTHER_KEYS = {
    **dict.fromkeys(
        ("inbox_thread_message", "inbox_thread_formatted", "inbox_thread_file", "inbox_thread_original"),
        "inbox_message",
    ),
    "inbox_draft_outgoing": "inbox_message",
    "inbox_thread_policy": "leads_policy",
}
REST = {"place": 0, "conversation": ANY_KEY, "table": "lead", "key": ANY_KEY, "name": "tags"}


@dataclass(frozen=True)
class Address:
    """A URL, the name of its pattern, and its record and verb."""

    url: str
    name: str
    row: Any = None
    verb: str = ""

    @property
    def page(self) -> str:
        return self.name.rsplit("_", 1)[-1]


def make_world() -> dict[type, Any]:
    """One record of every table that has a screen, all visible to every user."""
    lead, client = make_lead(line="auto"), make_client()
    mailbox = Mailbox.objects.create(address="office@agency.example")
    thread = make_thread(lead=lead)
    message = add_to_thread(
        Message(thread=thread, direction="in", sent_at=timezone.now(), from_email="lee@example.com", body_text="Hello")
    )
    rows = [
        lead,
        client,
        make_contact(),
        Project.objects.create(client=client, name="Onboarding"),
        Task.objects.create(title="Call", lead=lead),
        make_policy(client=client, lead=lead),
        thread,
        message,
        make_ticket(client=client),
        make_suggestion(lead=lead),
        AutonomySetting.objects.create(type="TASK"),
        AIInteraction.objects.create(lead=lead, type="Chat", source="Agent UI", content="?", ai_response="!"),
        EmailTemplate.objects.create(name="Template", subject="Hi", body="Hi {{lead_name}}"),
        SavedView.objects.create(name="View", table="leads.lead", owner=make_user("owner"), shared=True),
        LeadStatus.objects.get(pk="ACTIVE"),
        InsuranceType.objects.get(code="auto"),
        Group.objects.get(name="viewer"),
        make_user("colleague"),
        job(),
        record(lead, "noted", by=SYSTEM_ACTOR, summary="A note"),
        mailbox,
        SetAside.objects.create(mailbox=mailbox, origin="box#1", reason="It has no header.", size=3, raw=b"abc"),
        ScoringPolicy.objects.create(version=2, note="Another opinion.", weights={}),
        Draft.objects.create(author=make_user("writer"), lead=lead, subject="Begun"),
        WebForm.objects.create(name="Quotes", heading="Request a quote"),
        FieldStatistic.objects.create(
            table="leads.lead", column="custom_fields", key="size", row_count=9, filled_count=1, kinds={"number": 1}
        ),
        SchemaThresholds.objects.get(),
        LoginLimit.objects.create(scope="address", digest="0" * 64, address="203.0.113.9", failures=1),
        make_pair(client, lead),
        Notification.objects.create(
            reader=make_user("told"), kind="assigned", target_type="leads.lead", target_id=lead.pk
        ),
        CustomField.objects.create(table="leads.lead", key="region", label="Region", kind="text"),
        SchemaChange.objects.create(
            table="leads.lead", key="region", proposed="index", why="Slow.", expected_use="Daily."
        ),
        ImportBatch.objects.create(file_name="people.csv", file_hash="0" * 64, file_path="imports/1/people.csv"),
        ImportMapping.objects.create(name="Our CRM", header=["Name", "Email"]),
        PredictionModel.objects.create(
            version=1, rung="STAGES", card={"base": 0.5, "stages": {}}, leads=100, won=50, verdict="The first."
        ),
    ]
    ContactLead.objects.create(lead=lead, contact=rows[2])
    return {type(row): row for row in rows}


def make_pair(client: Client, lead: Lead) -> DuplicatePair:
    """Create a pair of possible duplicates."""
    keys = {"first_table": "crm.client", "first_id": client.pk, "second_table": "leads.lead", "second_id": lead.pk}
    digests = dict.fromkeys(("first_digest", "second_digest", "shared_digest"), "0" * 32)
    return DuplicatePair.objects.create(**keys, **digests, reasons=["name"], score=30)


def job() -> ProcrastinateJob:
    """Create a queued job."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('default', 'crm.tasks.none') RETURNING id"
        )
        return ProcrastinateJob.objects.get(pk=cursor.fetchone()[0])


def patterns(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry)
        else:
            yield entry


def addresses(world: dict[type, Any]) -> Iterator[Address]:
    """Return every URL, with the records of `world` as keys."""
    rows = {f"{model._meta.app_label}_{model._meta.model_name}": row for model, row in world.items()}
    for pattern in patterns():
        if not pattern.name or pattern.name in NOT_WALKED:
            continue
        yield from of_pattern(pattern.name, list(pattern.pattern.converters), rows)


# The arguments of pages that are no record's.
ARGUMENTS = {
    "choose_password": [["AA", "unknown"]],
    "app_list": [["leads"], ["crm"], ["auth"]],
    "report_schedule": [["pipeline"]],
    "report": [[report.key] for report in all_reports() if isinstance(report, Report)],
    "reference_picker": [[label] for label in REFERENCE_TABLES.values()],
}


def of_pattern(name: str, wanted: list[str], rows: dict[str, Any]) -> Iterator[Address]:
    table = OTHER_KEYS.get(name) or next(
        (table for table in rows if name.startswith(table + "_") or name == f"{table}_change"), ""
    )
    row = rows.get(table) or (rows["crm_user"] if name == "auth_user_password_change" else None)
    if name in OUTSIDE:
        yield Address(reverse(name, args=["A" * 22]), name)
    elif name in ARGUMENTS:
        yield from (Address(reverse(f"admin:{name}", args=args), name) for args in ARGUMENTS[name])
    elif not wanted:
        yield Address(reverse(f"admin:{name}"), name, row)
    elif name == "inbox_draft_outgoing":
        yield from (Address(reverse(f"admin:{name}", args=[row.pk, verb]), name, row) for verb in OUTGOING_ACTIONS)
    elif "verb" in wanted:
        screen = admin.site.get_model_admin(type(row))
        for form in (*screen.record_actions(), *screen.deleted_row_actions()):
            yield Address(reverse(f"admin:{name}", args=[row.pk, form.verb]), name, row, form.verb)
    else:
        assert row is not None, f"no record for {name}: extend the world"
        more = [value for converter, value in REST.items() if converter in wanted]
        yield Address(reverse(f"admin:{name}", args=[row.pk, *more]), name, row)


@contextmanager
def recalled(user: User | None) -> Iterator[None]:
    """Read the user and the permissions once for a walk, not for each of its requests."""
    if user is None:
        yield
        return
    user.get_all_permissions()
    with mock.patch.object(auth, "get_user", lambda request: copy(user)):
        yield
