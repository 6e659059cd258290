"""The row audit does the same as its libraries say, without a subtransaction for each row."""

import pghistory
import pgtrigger
import pytest
from django.db import connection

from leads.models import Lead
from tests.cast import make_lead

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["_pgtrigger_should_ignore", "_pgh_attach_context"])
def test_functions_of_the_audit_catch_no_errors(name):
    """The end of a subtransaction walks through all deferred checks of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [name])
        assert "EXCEPTION" not in cursor.fetchone()[0]


def test_change_is_audited_with_its_context_unless_the_audit_is_ignored():
    lead = make_lead(notes="first")
    Lead.objects.filter(pk=lead.pk).update(notes="second")
    with pghistory.context(reason="phone call"):
        Lead.objects.filter(pk=lead.pk).update(notes="third")
    with pgtrigger.ignore("leads.Lead:update_update"):
        Lead.objects.filter(pk=lead.pk).update(notes="fourth")
    Lead.objects.filter(pk=lead.pk).update(notes="fifth")
    events = list(lead.events.order_by("pgh_id").select_related("pgh_context"))
    assert [one.notes for one in events] == ["first", "second", "fourth"]
    assert [one.pgh_context and one.pgh_context.metadata for one in events[:2]] == [None, {"reason": "phone call"}]
