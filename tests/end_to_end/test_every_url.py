"""Every URL of the admin, for every role, with GET and POST: no role exceeds its permissions, and nothing fails."""

import logging
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.http import HttpResponse
from django.urls import reverse

from crm.models import DuplicatePair, User
from crm.records.transitions import permission_name
from crm.screens.record_admin import RecordAdmin
from inbox.models import Draft
from inbox.outgoing.outbox import SEND_PERMISSION
from tests.cast import (
    browser,
    make_lead,
    make_user,
)
from tests.end_to_end.addresses import OPEN_TO_ALL, OUTSIDE, Address, addresses, make_world, recalled
from tests.end_to_end.planting import OURS

pytestmark = pytest.mark.django_db
ROLES = ["anonymous", "stranger", "viewer", "agent", "manager", "schema admin", "administrator"]
READING_ROLES = {"anonymous", "stranger", "viewer"}
# What a form may hold.
FORM_DATA = {"name": "x", "title": "x", "body": "x", "summary": "x", "reason": "x", "stage": "ACTIVE", "tier": "hot"}
BIN = {"restore", "purge"}
# Pages of a record that need more than the permission to view it.
ASKING = {"leads_lead_ask", "leads_lead_ask_conversation"}


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
        forms = {form.verb: form for form in admin.site.get_model_admin(model).record_actions()}
        return forms[address.verb].permission
    if model is Draft:  # drafts need the permission to send
        return SEND_PERMISSION
    return permission_name(model, {"add": "add", "delete": "delete"}.get(address.page, "view"))


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


@pytest.fixture
def world() -> dict[type, Any]:
    return make_world()


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
