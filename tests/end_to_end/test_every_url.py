"""Every URL of the admin, for every role, with GET and POST: no role exceeds its permissions, and nothing fails."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any
from unittest import mock
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib import admin, auth
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from ai_log.models import AIInteraction
from crm.models import Client, CustomField, DuplicatePair, Project, SavedView, SchemaChange, User
from crm.records.activity import SYSTEM_ACTOR, record
from crm.records.transitions import permission_name
from crm.screens.filters import RelatedRecordFilter
from crm.screens.record_admin import RecordAdmin
from inbox.models import Draft, Mailbox, SetAside, Thread, WebForm
from inbox.models.email_template import EmailTemplate
from inbox.outgoing.outbox import SEND_PERMISSION
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
from suggestions.models import AutonomySetting, Suggestion
from tests.cast import (
    allow_export,
    browser,
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_suggestion,
    make_thread,
    make_ticket,
    make_user,
)
from tests.end_to_end.hidden_records import PLANTED, PLANTED_PART, make_hidden_records, make_referring_records

pytestmark = pytest.mark.django_db
ROLES = ["anonymous", "stranger", "viewer", "agent", "manager", "schema admin", "administrator"]
READING_ROLES = {"anonymous", "stranger", "viewer"}
# What a form may hold.
FORM_DATA = {"name": "x", "title": "x", "body": "x", "summary": "x", "reason": "x", "stage": "ACTIVE", "tier": "hot"}
OURS = {"crm", "leads", "ai_log", "inbox", "support", "suggestions"}
# The public URLs of our emails and web forms; the token is unknown.
OUTSIDE = {"public_picture": 200, "public_proposal": 404, "web_form": 404}
OPEN_TO_ALL = {"login", "logout", "jsi18n", *OUTSIDE}
NOT_WALKED = {"view_on_site"}  # redirects to pages outside the admin; there are none
BIN = {"restore", "purge"}
TELLING_PAGES = {"change", "history", "timeline", "ask", "preview"}
# The URL parameters besides the key of the record.
ANY_KEY = UUID("01990000-0000-7000-8000-000000000001")
REST = {"place": 0, "conversation": ANY_KEY, "table": "lead", "key": ANY_KEY}
# Pages of a record that need more than the permission to view it.
ASKING = {"leads_lead_ask", "leads_lead_ask_conversation"}


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


@pytest.fixture
def world() -> dict[type, Any]:
    """One record of every table that has a screen, all visible to every user."""
    lead, client = make_lead(line="auto"), make_client()
    mailbox = Mailbox.objects.create(address="office@agency.example")
    rows = [
        lead,
        client,
        make_contact(),
        Project.objects.create(client=client, name="Onboarding"),
        Task.objects.create(title="Call", lead=lead),
        make_policy(client=client, lead=lead),
        make_thread(lead=lead),
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
        make_pair(client, lead),
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


def of_pattern(name: str, wanted: list[str], rows: dict[str, Any]) -> Iterator[Address]:
    table = next((table for table in rows if name.startswith(table + "_") or name == f"{table}_change"), "")
    row = rows.get(table) or (rows["crm_user"] if name == "auth_user_password_change" else None)
    if name in OUTSIDE:
        yield Address(reverse(name, args=["A" * 22]), name)
    elif name == "app_list":
        yield from (Address(reverse(f"admin:{name}", args=[label]), name) for label in ("leads", "crm", "auth"))
    elif not wanted:
        yield Address(reverse(f"admin:{name}"), name, row)
    elif "verb" in wanted:
        screen = admin.site.get_model_admin(type(row))
        for form in (*screen.page_actions, *screen.deleted_row_actions()):
            yield Address(reverse(f"admin:{name}", args=[row.pk, form.verb]), name, row, form.verb)
    else:
        assert row is not None, f"no record for {name}: extend the world"
        more = [value for converter, value in REST.items() if converter in wanted]
        yield Address(reverse(f"admin:{name}", args=[row.pk, *more]), name, row)


def words_in(answer: HttpResponse) -> set[str]:
    """Return the planted words that a page shows."""
    content = answer.getvalue() if answer.streaming else answer.content
    return set(PLANTED.findall(content.decode(errors="replace")))


def make_role_user(role: str) -> User | None:
    if role == "anonymous":
        return None
    return make_user(role.replace(" ", "-") + "-walker", None if role == "stranger" else role)


def snapshot(*but: str) -> dict[str, str]:
    """Return a digest of the content of every table."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            table = model._meta.db_table
            if model._meta.app_label in OURS and table not in but and table != "users":
                cursor.execute(f'SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM "{table}" t')
                found[table] = cursor.fetchone()[0]
    return found


def needed(address: Address) -> str:
    """Return the permission that a URL requires, where the rule is simple."""
    if address.name in ASKING:
        return "ai_log.view_aiinteraction"
    if address.row is None or address.page not in {"changelist", "change", "add", "delete", "history", "do"}:
        return ""
    model = type(address.row)
    if model is DuplicatePair:  # its pages need the permission to merge, which a role has for all tables or for none
        return "crm.merge_client"
    if address.page == "do":
        if address.verb in BIN:
            return permission_name(model, address.verb)
        forms = {form.verb: form for form in admin.site.get_model_admin(model).page_actions}
        return forms[address.verb].permission
    if model is Draft:  # drafts need the permission to send
        return SEND_PERMISSION
    return permission_name(model, {"add": "add", "delete": "delete"}.get(address.page, "view"))


@contextmanager
def recalled(user: User | None) -> Iterator[None]:
    """Read the user and the permissions once for a walk, not for each of its requests."""
    if user is None:
        yield
        return
    user.get_all_permissions()
    with mock.patch.object(auth, "get_user", lambda request: copy(user)):
        yield


@pytest.fixture(autouse=True)
def quiet_refusals(caplog) -> None:
    """Leave out Django's log of refused requests, of which a walk has hundreds, each with a traceback."""
    caplog.set_level(logging.CRITICAL, logger="django.request")


class Walk:
    """One user's way through every URL."""

    def __init__(self, user: User | None) -> None:
        self.user, self.page, self.visited = user, browser(user), 0

    def check_reading(self, address: Address) -> None:
        answer = self.page.get(address.url)
        self.visited += 1
        assert answer.status_code < 500, address
        if self.user is None and address.name not in OPEN_TO_ALL:
            assert answer.status_code == 302, address
            assert "/login/" in answer["Location"], address
        assert answer.status_code == OUTSIDE.get(address.name, answer.status_code), address
        wanted = needed(address)
        if self.user is not None and wanted and not self.user.has_perm(wanted):
            assert answer.status_code != 200, address

    def check_empty_post(self, address: Address) -> None:
        with transaction.atomic():
            answer = self.post(address, {})
            assert answer.status_code < 500, address
            wanted = needed(address)
            if wanted and (self.user is None or not self.user.has_perm(wanted)):
                assert answer.status_code in {302, 403, 404, 405}, address
            transaction.set_rollback(True)

    def post(self, address: Address, data: dict[str, str]) -> HttpResponse:
        if address.name == "logout":
            return browser(self.user).post(address.url, data)
        return self.page.post(address.url, data)


@pytest.mark.parametrize("role", ROLES)
def test_every_url_respects_roles_and_never_fails(world, role):
    user = make_role_user(role)
    walk, before = Walk(user), snapshot()
    with recalled(user):
        for address in addresses(world):
            walk.check_reading(address)
            walk.check_empty_post(address)
    assert walk.visited > 100
    assert user is None or "_auth_user_id" in walk.page.session, "logged out on the way"
    assert snapshot() == before, "reading changed something; what was sent is rolled back"
    if role in READING_ROLES:
        with recalled(user):
            for address in addresses(world):
                walk.post(address, FORM_DATA)
        # Each user's own.
        assert snapshot("saved_views") == {table: before[table] for table in before if table != "saved_views"}


def test_agent_reads_nothing_of_a_colleagues_records(world, ann, bob):
    hidden = make_hidden_records(bob)
    page, leaks = browser(ann), set()
    allow_export(ann)
    referring = make_referring_records(ann, bob, hidden)
    with recalled(ann):
        for address in telling_addresses({**world, **hidden}, referring):
            if address.page != "do":  # a refused action shows the same page
                leaks |= {(address.name, word) for word in words_in(page.get(address.url))}
            if address.page in {"do", "add"}:
                with transaction.atomic():
                    answer = page.post(address.url, FORM_DATA)
                    leaks |= {(f"POST {address.name}", word) for word in words_in(answer)}
                    transaction.set_rollback(True)
        for url in probing_urls(hidden):
            leaks |= {(url.split("=")[0], word) for word in words_in(page.get(url))}
        for url in export_urls():
            leaks |= {(url, word) for word in words_in(page.post(url))}
    owners_page = reverse("admin:leads_lead_change", args=[hidden[Lead].pk])
    assert words_in(browser(bob).get(owners_page)), "the words are planted"
    assert not leaks, "\n".join(f"{name}: {word}" for name, word in sorted(leaks))


def probing_urls(hidden: dict[type, Any]) -> Iterator[str]:
    """Return each list with each tab, a search for hidden words and filters by hidden records, and prefilled forms."""
    keys = urlencode({model._meta.model_name: row.pk for model, row in hidden.items()})
    for model, screen in admin.site._registry.items():
        if not isinstance(screen, RecordAdmin):
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield f"{reverse(f'{name}_add')}?{keys}"
        queries = [*(tab.params for tab in screen.tabs), {"q": PLANTED_PART}]
        for field, each in screen.filterset_class.base_filters.items():
            if isinstance(each, RelatedRecordFilter):
                queries.append({field: hidden[each.related_model].pk})
        for query in queries:
            yield f"{reverse(f'{name}_changelist')}?{urlencode(query)}"
        for field in screen.autocomplete_fields:
            picker = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": field}
            yield f"{reverse('admin:autocomplete')}?{urlencode({**picker, 'term': PLANTED_PART})}"


def export_urls() -> list[str]:
    screens = [screen for screen in admin.site._registry.values() if getattr(screen, "list_export", None)]
    return [f"{screen.list_url()}export/" for screen in screens]


def telling_addresses(world: dict[type, Any], rows: list[Any]) -> Iterator[Address]:
    """Return the pages of no record and of each record in `world`, and all URLs of `rows` that show what they hold."""
    for address in addresses(world):
        is_of_record = address.row is not None and str(address.row.pk) in address.url
        if address.name not in OPEN_TO_ALL and (not is_of_record or address.page == "change"):
            yield address
    for row in rows:
        pages = TELLING_PAGES | ({"do"} if isinstance(row, Suggestion | Thread) else set())
        for address in addresses({**world, type(row): row}):
            if str(row.pk) in address.url and address.page in pages:
                yield address


def test_every_record_screen_pages_by_key():
    for model, screen in admin.site._registry.items():
        if isinstance(screen, RecordAdmin):
            assert screen.orders, model
            assert screen.filterset_class, model
            assert screen.row_template, model


def test_role_permissions_can_be_extended(world, ann):
    url = reverse("admin:leads_lead_delete", args=[world[type(make_lead())].pk])
    assert browser(ann).get(url).status_code == 403
    lead_type = ContentType.objects.get(app_label="leads", model="lead")
    Group.objects.get(name="agent").permissions.add(lead_type.permission_set.get(codename="delete_lead"))
    assert browser(User.objects.get(pk=ann.pk)).get(url).status_code == 200
