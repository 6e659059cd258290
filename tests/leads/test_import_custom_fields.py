"""Tests of columns that are custom fields: their headings in an exported file, and what an import reads."""

import json

import pytest
from django.contrib.auth.models import Group

from crm.exceptions import InvalidInput
from crm.models import Client, CustomField, CustomFieldKind
from crm.models.custom_field import KINDS_WITH_CHOICES, REFERENCE_TABLES
from crm.records.custom_fields.schemas import value_schema
from crm.screens.json_forms.conversion import ValueCheck
from leads.importing import rows
from leads.importing.custom_fields import CustomFields
from leads.importing.exceptions import InvalidCell
from leads.importing.files.tables import TableFile
from leads.importing.screens.examples import ChangeWords
from leads.importing.tables.fields import LEFT_OUT
from leads.importing.tables.registry import table_named
from leads.importing.values.line_questions import LineQuestion
from leads.importing.values.parsers import UNDECIDED
from leads.lines.questions import SCHEMA_BY_QUESTION_KIND
from leads.models import Lead
from tests.cast import browser, make_client, make_contact, make_lead, make_policy, make_ticket
from tests.leads.import_files import counts, import_text

pytestmark = pytest.mark.django_db


def make_field(key: str, label: str, kind: str = "text", table: str = "crm.client", **choices: str) -> CustomField:
    offered = [{"value": value, "label": name, "retired": False} for value, name in choices.items()]
    return CustomField.objects.create(key=key, label=label, kind=kind, table=table, choices=offered)


def export_clients(user) -> str:
    response = browser(user).post("/crm/client/export/", {"format": "csv"})
    return b"".join(response.streaming_content).decode("utf-8-sig")


def test_exported_clients_come_back_with_every_kind_of_custom_field(max):
    make_field("size", "Company size", "number")
    make_field("member", "Member since", "date")
    make_field("called", "Last call", "date_time")
    make_field("plan", "Plan", "choice", gold="Gold plan", basic="Basic plan")
    make_field("pets", "Pets", "choices", cat="Cat", dog="Dog")
    make_field("active", "Active", "yes_no")
    make_field("code", "Code")
    make_field("mobile_no", "Mobile")
    make_field("email_2", "Email")
    make_field("a", "Twin")
    make_field("b", "Twin")
    values = {
        "size": 12.5,
        "member": "2024-03-04",
        "called": "2026-01-02T10:30:00+00:00",
        "plan": "gold",
        "pets": ["cat", "dog"],
        "active": False,
        "code": "007",
        "mobile_no": "555 010 0199",
        "email_2": "second@x.example",
        "a": "one",
        "b": "two",
        "plan b": "undefined",
        "Name": "undefined, too",
        "Code": "another key",
    }
    make_client(name="Ava", email="ava@x.example", custom_fields=values)
    text = export_clients(max)
    header = text.splitlines()[0]
    for heading in ("Company size", "Mobile", "Custom field: Email", "Custom field: Name", "Twin (a)", "Code (code)"):
        assert heading in header
    Client.everything.all().delete()
    outcome = import_text("clients", text)
    assert counts(outcome) == (1, 1, 0, 0) and not outcome.doubt_counts
    ava = Client.objects.get()
    found = {key: value for key, value in ava.custom_fields.items() if key in values}
    assert json.dumps(found, sort_keys=True) == json.dumps(values, sort_keys=True)
    assert (ava.email, ava.phone) == ("ava@x.example", "")


@pytest.mark.parametrize("label", ["Referred by", "Premium", "Employer", "Product", "Created", "Opt out", "Won"])
def test_column_called_as_a_label_is_its_custom_field_and_no_guess(label):
    import_text("leads", f"Name,{label}\nAnn,yes\n")
    make_field("own", label, table="leads.lead")
    import_text("leads", f"Name,{label}\nBob,yes\n")
    ann, bob = Lead.objects.order_by("contact_name")
    assert bob.custom_fields == {"own": "yes"}
    assert ann.custom_fields != bob.custom_fields


@pytest.mark.parametrize("label", ["Email", "Source detail", "Website", "Value", "Tags"])
def test_column_called_as_a_field_is_that_field_whatever_custom_fields_are_called(label):
    make_field("own", label, table="leads.lead")
    import_text("leads", f"Name,{label}\nAnn,\nBob,7\n")
    assert "own" not in Lead.objects.get(contact_name="Bob").custom_fields
    import_text("leads", f"Name,{label},Custom field: {label}\nCid,,x\n")
    assert Lead.objects.get(contact_name="Cid").custom_fields == {"own": "x"}


def test_a_custom_field_called_as_a_person_gives_way_where_nothing_else_names_one():
    make_field("own", "Employer", table="leads.lead")
    import_text("leads", "Employer,Age\nAcme,5\n")
    (lead,) = Lead.objects.all()
    assert (lead.company_name, lead.custom_fields) == ("Acme", {"Age": 5})


@pytest.mark.parametrize("heading", ["Est. premium", "Estimated premium", "Est Annual Premium", "Expected value"])
def test_a_supposed_premium_is_the_value_of_a_lead_with_a_reason(heading):
    outcome = import_text("leads", f"Name,{heading}\nAnn,1200\n")
    assert Lead.objects.get().estimated_value == 1_200
    assert any("estimated_value" in line and "by its name" in line for line in outcome.preview.describe())


def test_cell_that_does_not_fit_its_custom_field_is_kept_and_reported():
    make_field("plan", "Plan", "choice", gold="Gold plan")
    make_field("size", "Size", "number")
    outcome = import_text("clients", "Name,Plan,Size\nAva,GOLD PLAN,12\nBen,Silver,many\n")
    assert [client.custom_fields for client in Client.objects.order_by("name")] == [
        {"plan": "gold", "size": 12},
        {"plan": "Silver", "size": "many"},
    ]
    assert outcome.doubt_counts.total() == 2


def test_custom_field_of_a_lead_is_updated_by_its_label():
    make_field("plan", "Plan", table="leads.lead")
    lead = make_lead(contact_email="ann@x.example", custom_fields={"plan": "old"})
    import_text("leads", "Email,Plan\nann@x.example,7\n", duplicates="update")
    lead.refresh_from_db()
    assert lead.custom_fields == {"plan": "7"}, "a text stays a text"


def test_column_of_a_field_that_the_user_may_not_edit_is_refused_until_it_is_left_out(ann, max):
    field = make_field("plan", "Plan")
    field.editor_roles = [Group.objects.get(name="manager").pk]
    field.save()
    text = "Name,Plan\nAva,gold\n"
    with pytest.raises(
        InvalidInput, match="The column “Plan” is a custom field. “Plan” can be edited by these roles only"
    ):
        import_text("clients", text, by=ann)
    assert not Client.objects.exists()
    assert counts(import_text("clients", text, by=ann, column_fields={"Plan": LEFT_OUT})) == (1, 1, 0, 0)
    import_text("clients", "Name,Plan\nBo,gold\n", by=max)
    assert Client.objects.get(name="Bo").custom_fields == {"plan": "gold"}


# References


def test_a_reference_is_found_by_key_or_by_an_exact_name_address_or_number(max):
    make_field("a", "By name", "client")
    make_field("b", "By address", "contact")
    make_field("c", "By number", "policy")
    make_field("d", "By ticket", "ticket")
    make_field("e", "By user", "staff")
    make_field("f", "By key", "lead")
    client, contact, policy = make_client(name="Olga Olsen"), make_contact(email="connie@x.example"), make_policy()
    ticket, lead = make_ticket(), make_lead()
    import_text(
        "clients",
        "Name,By name,By address,By number,By ticket,By user,By key\n"
        f"New,olga  OLSEN,Connie@x.example,{policy.number},#{ticket.number},Max,Lee ({lead.pk})\n",
        by=max,
    )
    keys = [str(row.pk) for row in (client, contact, policy, ticket, max, lead)]
    assert [Client.objects.get(name="New").custom_fields[key] for key in "abcdef"] == keys


@pytest.mark.parametrize(
    ("cell", "stored", "sentence"),
    [
        ("Twin", "Twin", "is the name or email address of several clients"),
        ("Olga", "Olga", "is not the name or email address of a client that you have access to"),
        ("Secret Sam", "Secret Sam", "is not the name or email address of a client that you have access to"),
        ("{hidden}", "{hidden} (not found)", "names no client that you have access to"),
        ("Sam ({hidden})", "Sam ({hidden})", "names no client that you have access to"),
    ],
)
def test_a_cell_that_names_no_single_record_is_kept_as_text_and_reported(ann, bob, cell, stored, sentence):
    make_field("referrer", "Referred by", "client")
    hidden = make_client(name="Secret Sam", assigned_to=bob)
    make_client(name="Twin"), make_client(name="twin")
    outcome = import_text("clients", f"Name,Referred by\nNew,{cell.format(hidden=hidden.pk)}\n", by=ann)
    assert Client.objects.get(name="New").custom_fields == {"referrer": stored.format(hidden=hidden.pk)}
    assert list(outcome.doubt_counts) == [f"Referred by {sentence}"] or sentence in str(outcome.doubt_counts)


def test_exported_references_come_back_the_same(max):
    make_field("referrer", "Referred by", "client")
    twins = [make_client(name="Twin"), make_client(name="Twin")]
    make_client(name="Ava", email="ava@x.example", custom_fields={"referrer": str(twins[1].pk)})
    text = export_clients(max)
    Client.everything.filter(name="Ava").delete()
    outcome = import_text("clients", text, by=max)
    assert Client.objects.get(name="Ava").custom_fields["referrer"] == str(twins[1].pk)
    assert not outcome.doubt_counts


def test_page_of_an_import_names_changed_references_to_readers_who_may_open_them(ann, max):
    make_field("referrer", "Referred by", "client")
    hidden, olga = make_client(name="Secret Sam", assigned_to=max), make_client(name="Olga")
    change = {"custom_fields": {"referrer": [str(hidden.pk), str(olga.pk)], "other": ["a", "b"]}}
    lines = {user: ChangeWords(table_named("clients"), user).describe(change) for user in (ann, max)}
    assert lines[max] == [("referrer", "Secret Sam", "Olga"), ("other", "a", "b")]
    assert lines[ann][0] == ("referrer", "Another owner’s client", "Olga")


NAUGHTY_TEXTS = [
    *("x" * 600, "x" * 12_000, "a\tb", "two  spaces", "line\nbreak", "\ufeff", "😀", "<b>", "=1+1", "0", "-0", "1e400"),
    *("NaN", "Infinity", "1e5", "1_000", "٣", "1.5", "1,200", "12 %", "$5", "yes", "Y", "maybe", "null", "true", "[]"),
    *("2026-02-30", "0000-01-01", "2026-05-01", "1.5.2026", "May 2026", "10000-01-01", "2026-05-01T25:00", "tomorrow"),
    *("2026-05-01 10:00", "24:00", "ann@x.example", "Ann <ann@x.example>", "a@x.example; b@x.example", "ann@", "@"),
    *("mailto:ann@x.example", "x.example", "https://x.example", "javascript:alert(1)", "ftp://x", "http://"),
    *("https://a b", f"https://x.example/{'y' * 600}", "555 010 0199", "p:+15550100199", "12", "call me", "1" * 40),
    *("5550100199; 5550100188", "1.5E+10", "Cat", "cat, Cat", "cat;bird", "gold", "Bird"),
]


@pytest.mark.parametrize("kind", [kind for kind in CustomFieldKind if kind not in REFERENCE_TABLES])
def test_import_reads_only_cells_that_a_form_accepts(kind):
    choices = {"cat": "Cat", "gold": "Gold"} if kind in KINDS_WITH_CHOICES else {}
    field = CustomField(
        key="one", label="One", kind=kind, choices=[{"value": value, "label": name} for value, name in choices.items()]
    )
    parse = CustomFields.of([field]).parser("one", [], UNDECIDED)
    check, read = ValueCheck(value_schema(field)), 0
    for text in NAUGHTY_TEXTS:
        try:
            value = parse(text)
        except InvalidCell:
            continue
        read += 1
        assert (text[:40], check.reason(value)) == (text[:40], "")
        json.dumps(value, allow_nan=False)
    assert 0 < read < len(NAUGHTY_TEXTS)


def test_cell_that_no_form_would_accept_stays_text_and_is_reported():
    make_field("web", "Web page", "link")
    make_field("second", "Second email", "email")
    make_field("joined", "Joined", "date")
    text = "Name,Web page,Second email,Joined\nAva,ava.example,12,20269999\nBea,call me,b@x.example,\n"
    outcome = import_text("clients", text)
    assert dict(outcome.doubt_counts) == {
        "Web page is not a web address.": 1,
        "Second email is not an email address.": 1,
        "Joined is not a real date (day and month may be swapped).": 1,
    }
    ava, bea = Client.objects.order_by("name")
    assert ava.custom_fields == {"web": "https://ava.example", "second": "12", "joined": "20269999"}
    assert bea.custom_fields == {"web": "call me", "second": "b@x.example"}


@pytest.mark.parametrize(
    "schema",
    [
        *(SCHEMA_BY_QUESTION_KIND[kind] for kind in ("text", "long_text", "number", "whole_number", "money", "yes_no")),
        *(SCHEMA_BY_QUESTION_KIND[kind] for kind in ("date", "date_time", "link", "email", "phone")),
        {"type": "string", "enum": ["cat", "gold"]},
        {"type": "string", "pattern": "^[0-9]{2}$"},
        {"type": "string", "minLength": 9, "maxLength": 12},
        {"type": "number", "minimum": 1, "maximum": 20},
    ],
)
def test_an_answer_that_an_import_reads_fits_its_question(schema):
    parse = LineQuestion("pet", "one", "Pet", "One", schema, 1).parser([], "", "")
    check, read = ValueCheck(schema), 0
    for text in NAUGHTY_TEXTS:
        try:
            value = parse(text)
        except InvalidCell:
            continue
        read += 1
        assert (text[:40], check.reason(value)) == (text[:40], "")
    assert 0 < read < len(NAUGHTY_TEXTS)


def test_file_with_references_is_read_once_in_parts(monkeypatch):
    make_field("by", "Referred by", "client")
    olga = make_client(name="Olga Olsen")
    passes, whole = [], TableFile.rows
    monkeypatch.setattr(TableFile, "rows", lambda file: passes.append(file) or whole(file))
    monkeypatch.setattr(rows, "LOOK_UP_CHUNK_SIZE", 2)
    text = "Name,Referred by\n" + "".join(f"Client {number},Olga Olsen\n" for number in range(5))
    assert counts(import_text("clients", text)) == (5, 5, 0, 0)
    assert Client.objects.filter(custom_fields={"by": str(olga.pk)}).count() == 5
    with_references = len(passes)
    passes.clear()
    import_text("clients", text.replace("Referred by", "Friend").replace("Client ", "Other "))
    assert with_references == len(passes)
