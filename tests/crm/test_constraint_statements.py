"""The statement compiled once for all constraints of a table finds what each constraint would find."""

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils import timezone

from crm.records.base import Record
from crm.records.constraint_statements import compile_constraints, covered_constraints, may_violate_a_constraint
from inbox.models import Mailbox, Message
from leads.models import Lead
from tests.cast import make_lead, make_thread

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("column", "value", "violates"),
    [
        ("contact_name", "Lee", False),
        ("contact_name", "", True),
        ("overall_score", None, False),
        ("overall_score", 2, True),
        ("tags", ["hot", "Hot"], True),
        ("custom_fields", [], True),
        ("custom_fields", {"a": "\0"}, True),  # the database cannot even read it
        ("contact_name", F("company_name"), True),  # computed by the database
    ],
)
def test_violated_check_is_found_before_and_after_the_statement_is_compiled(column, value, violates):
    lead = make_lead()
    assert not may_violate_a_constraint(lead, (), "default")
    setattr(lead, column, value)
    assert may_violate_a_constraint(lead, (), "default") is violates
    assert not may_violate_a_constraint(lead, {column, "company_name"}, "default")


@pytest.mark.parametrize(
    ("values", "violates"),
    [
        ({"contact_email": "LEE@Example.com"}, True),
        ({"contact_email": "other@example.com"}, False),
        ({"contact_email": ""}, False),
        ({"contact_email": "LEE@Example.com", "deleted_at": timezone.now()}, False),
        ({"contact_email": "LEE@Example.com", "closed_at": timezone.now()}, False),
    ],
)
def test_second_open_lead_with_an_address_is_found(values, violates):
    make_lead(contact_email="lee@example.com")
    second = Lead(contact_name="Lee", **values)
    assert may_violate_a_constraint(second, (), "default") is violates
    assert not may_violate_a_constraint(second, {"contact_email"}, "default")


def test_saved_row_is_not_its_own_double():
    lead, other = make_lead(contact_email="lee@example.com"), make_lead()
    assert not may_violate_a_constraint(Lead.objects.get(pk=lead.pk), (), "default")
    other.contact_email = "Lee@example.com"
    assert may_violate_a_constraint(other, (), "default")
    with pytest.raises(ValidationError, match="Another open lead already has this address"):
        other.validate_constraints()


def test_row_without_a_value_is_nobodys_double():
    """One email may be in two mailboxes; without a mailbox, one thread has it once."""
    thread, mailbox = make_thread(), Mailbox.objects.create(address="office@agency.example")
    fields = {"direction": "in", "sent_at": timezone.now(), "message_id": "a@x"}
    Message.objects.create(thread=thread, mailbox=mailbox, **fields)
    assert may_violate_a_constraint(Message(thread=make_thread(), mailbox=mailbox, **fields), (), "default")
    assert not may_violate_a_constraint(Message(thread=make_thread(), mailbox=None, **fields), (), "default")


@pytest.mark.parametrize("is_new", [True, False])
def test_every_table_has_a_statement_for_all_its_constraints(is_new):
    for model in (model for model in apps.get_models() if issubclass(model, Record)):
        covered = tuple(covered_constraints(model))
        left_out = {one.name for one in model._meta.constraints} - {*covered}
        assert left_out <= {"thread_keys_once", "autonomy_settings_once"}, "NULL has a double in these: Django asks"
        sql, slots = compile_constraints(model, covered, is_new, "default") if covered else ("", ())
        assert sql.count("%s") == len(slots), model
