"""The statement compiled once for all checks of a table finds what each check would find."""

import pytest
from django.db.models import F

from crm.records.check_statements import may_violate_a_check
from tests.cast import make_lead

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
    assert not may_violate_a_check(lead, (), "default")
    setattr(lead, column, value)
    assert may_violate_a_check(lead, (), "default") is violates
    assert not may_violate_a_check(lead, {column, "company_name"}, "default")
