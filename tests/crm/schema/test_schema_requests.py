"""Schema requests: proposed by staff, decided once with a reason, seen by the requester."""

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import CustomField, SchemaChange
from crm.schema.requests.transitions import decide_request, request_change, withdraw_request
from tests.cast import browser, make_client, page_text

pytestmark = pytest.mark.django_db
LIST, FORM = "/crm/schemachange/", "/crm/schemachange/request/"


def make_request(by, **kw):
    values = {"table": "crm.client", "key": "level", "proposed": "index", "why": "Slow.", "expected_use": "Daily."}
    change = SchemaChange(**{**values, **kw})
    request_change(change, by=by)
    return change


def page_of(change):
    return f"{LIST}{change.pk}/change/"


def test_agent_proposes_theo_decides_and_the_agent_reads_the_reason(ann, theo):
    CustomField.objects.create(table="crm.client", key="level", label="Level", kind="text")
    page, admin = browser(ann), browser(theo)
    form = page_text(page.get(f"{FORM}?table=crm.client&column=custom_fields&key=level&decision=table"))
    assert 'value="level"' in form and '<option value="table" selected>' in form
    sent = {"table": "crm.client", "column": "custom_fields", "key": "level", "proposed": "table"}
    answer = page.post(FORM, {**sent, "why": "Slow lists.", "expected_use": "Ten people, daily."})
    change = SchemaChange.objects.get()
    assert answer["Location"] == f"{LIST}{change.pk}/change/"
    assert (change.requested_by, change.state) == (ann, "OPEN")
    assert "Slow lists." in page_text(page.get(answer["Location"]))
    make_client(custom_fields={"level": "x"}, assigned_to=ann)
    make_client(assigned_to=theo)
    assert "100% of the newest 1 you can see" in page_text(page.get(answer["Location"]))
    assert "50% of the newest 2 you can see" in page_text(admin.get(answer["Location"]))
    assert all(words in page_text(admin.get("/")) for words in ("level", "Open: Table"))
    decide = f"{LIST}{change.pk}/do/decide/"
    assert page.post(decide, {"decision": "stay", "reason": "No."}).status_code == 403
    assert admin.post(decide, {"decision": "stay", "reason": " "}).status_code == 422
    assert admin.post(decide, {"decision": "stay", "reason": "Few use it."}).status_code == 302
    text = page_text(page.get(answer["Location"]))
    assert "Few use it." in text and "Decided: Stay in JSON" in text
    assert "Few use it." in page_text(page.get("/"))
    assert [row.pk for row in page.get(f"{LIST}?show=decided").context["cl"].page.rows] == [change.pk]
    assert page.get(LIST).context["cl"].page.rows == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"why": ""}, "Why: This field cannot be blank."),
        ({"proposed": "cloud"}, "Proposal|not a valid choice"),
        ({"column": "auto_data"}, "does not have that JSON column"),
        ({"key": "k" * 1_001}, "at most 1000 characters"),
        ({"key": "nul\0"}, "Null characters"),
    ],
)
def test_request_that_makes_no_sense_is_refused(ann, values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make_request(ann, **values)
    assert not SchemaChange.objects.exists()


@pytest.mark.parametrize("key", ["it's", 'a"b', "a.b", "💶 amount", "'; DROP TABLE leads; --", "ключ " * 200, "50%"])
def test_request_may_be_about_any_key(theo, key):
    change = make_request(theo, key=key)
    assert browser(theo).get(f"{LIST}{change.pk}/change/").status_code == 200


def test_viewer_proposes_nothing(vera):
    with pytest.raises(NotPermitted):
        make_request(vera)
    assert browser(vera).get(FORM).status_code == 403


def test_second_request_for_a_key_waits_for_the_first(ann, theo):
    first = make_request(ann)
    with pytest.raises(InvalidInput, match="unfinished request for this key"):
        make_request(theo)
    withdraw_request(first, by=ann)
    decide_request(make_request(theo), decision="stay", reason="Few use it.", by=theo)
    assert make_request(ann).state == "OPEN"


def test_request_is_decided_once_by_those_who_may(ann, theo):
    change = make_request(ann)
    for decision, reason, sentence in (
        ("cloud", "Why not.", "no decision"),
        ("stay", " ", "Enter the reason"),
        ("stay", "x" * 2_001, "at most 2,000 characters; this one has 2,001"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            decide_request(change, decision=decision, reason=reason, by=theo)
    with pytest.raises(NotPermitted):
        decide_request(change, decision="stay", reason="Mine.", by=ann)
    decide_request(change, decision="stay", reason="Few use it.", by=theo)
    with pytest.raises(IllegalTransition, match="decided already by Theo"):
        decide_request(change, decision="stay", reason="No.", by=theo)
    with pytest.raises(IllegalTransition, match="decided already"):
        withdraw_request(change, by=ann)


def test_only_the_requester_or_a_decider_withdraws(ann, bob, theo):
    CustomField.objects.create(table="crm.client", key="level", label="Level", kind="text")
    change = make_request(ann)
    offers = [user for user in (ann, bob, theo) if "do/withdraw/" in page_text(browser(user).get(page_of(change)))]
    assert offers == [ann, theo]
    with pytest.raises(NotPermitted):
        withdraw_request(change, by=bob)
    withdraw_request(change, by=theo)
    assert change.state == "WITHDRAWN"


def test_database_refuses_what_must_never_be(ann, theo):
    change = make_request(ann)
    rows, now = SchemaChange.objects.filter(pk=change.pk), timezone.now()
    for values in (
        {"state": "DECIDED", "decision": "stay", "decided_at": now},
        {"state": "DECIDED", "decision": "cloud", "decision_reason": "x", "decided_at": now},
        {"state": "DONE"},
        {"state": "APPLIED", "applied_at": now},
        {"decision": "stay", "decision_reason": "x", "decided_at": now},
        {"kind": "shape"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**values)
    asked = {"table": "crm.client", "key": "level", "proposed": "index", "why": "Slow.", "expected_use": "Daily."}
    index = {**asked, "decision": "index", "decision_reason": "x", "decided_at": now, "kind": "text"}
    applied = {**index, "state": "APPLIED", "applied_at": now}
    SchemaChange.objects.bulk_create([SchemaChange(**applied)])
    for values, constraint in (
        (asked, "one_unfinished"),
        (applied, "applied_once"),
        ({**index, "key": "undated", "state": "APPLIED"}, "outcome_is_dated"),
        ({**index, "key": "undated", "state": "UNDONE"}, "outcome_is_dated"),
        ({**asked, "column": "auto_data"}, "column_of_table"),
    ):
        with pytest.raises(IntegrityError, match=f"schema_changes_{constraint}"), transaction.atomic():
            SchemaChange.objects.bulk_create([SchemaChange(**values)])
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        rows.update(key="other")
    decide_request(change, decision="stay", reason="Few use it.", by=theo)
    for values in ({"decision": "table"}, {"decision_reason": "Other."}, {"decided_by": ann}):
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            rows.update(**values)
    theo.delete()
    assert rows.get().decided_by is None


def test_request_about_a_key_without_a_definition_is_for_those_who_see_every_owner(ann, bob, theo):
    undefined = make_request(ann, key="secret")
    CustomField.objects.create(table="crm.client", key="level", label="Level", kind="text")
    defined = make_request(theo)
    # A field of the same name says nothing of the keys of another column.
    CustomField.objects.create(table="leads.lead", key="make", label="Make", kind="text")
    answer = make_request(theo, table="leads.lead", column="auto_data", key="make")
    visible = {user: set(SchemaChange.objects.visible_to(user)) for user in (ann, bob, theo)}
    assert visible == {ann: {undefined, defined}, bob: {defined}, theo: {undefined, defined, answer}}
    assert browser(bob).get(f"{LIST}{undefined.pk}/change/").status_code == 404
    bob.user_permissions.add(Permission.objects.get(codename="decide_schemachange"))
    assert "level" in page_text(browser(bob).get("/")) and "secret" not in page_text(browser(bob).get("/"))


def test_field_shows_its_requests_and_leads_to_the_form(ann, stranger):
    field = CustomField.objects.create(table="crm.client", key="a&b", label="Level", kind="text")
    page = browser(ann)
    text = page_text(page.get(f"/crm/customfield/{field.pk}/change/"))
    assert "?table=crm.client&amp;key=a%26b" in text and "No requests." in text
    make_request(ann, key="a&b")
    assert "a&amp;b: Index" in page_text(page.get(f"/crm/customfield/{field.pk}/change/"))
    stranger.user_permissions.add(Permission.objects.get(codename="view_customfield"))
    assert "Schema requests" not in page_text(browser(stranger).get(f"/crm/customfield/{field.pk}/change/"))
    assert "Schema requests" in page_text(page.get("/crm/customfield/"))
