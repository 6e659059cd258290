"""Tests of the command that reports stored JSON that does not fit."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.models import CustomField
from leads.lines import json_check
from leads.models import InsuranceType, Lead
from tests.cast import make_client, make_lead, make_policy

pytestmark = pytest.mark.django_db


def check_json(**options) -> tuple[str, str]:
    """Return the report and the refusal."""
    output = StringIO()
    try:
        call_command("check_json", stdout=output, **options)
    except CommandError as error:
        return output.getvalue(), str(error)
    return output.getvalue(), ""


def test_misfits_are_counted_by_line_key_and_reason():
    CustomField.objects.create(table="crm.client", key="level", label="Level", kind="number")
    line = InsuranceType.objects.get(code="life")
    line.form_schema = {**line.form_schema, "required": ["coverage"]}
    line.save()
    bad = make_lead(auto_data={"year": "x", "vin": "any", "drivers": [{"accidents_5y": -1}, {"accidents_5y": -2}]})
    make_lead(auto_data={"year": 1066, "drivers": 5}, line_data={"life": {"smoker": "so"}, "boats": {"length": 3}})
    make_lead(auto_data={"use": "race", "renewal_date": "2026-02-30", "extra": 1}, line_data={"umbrella": "text"})
    make_policy(line="home", data={"alarm": 1})
    make_client(custom_fields={"level": "high", "other": 1})
    report, refusal = check_json()
    assert refusal == "13 values in 5 records do not fit."
    assert sorted(row.split("  ", 1)[-1].strip() for row in report.splitlines()) == [
        "1  clients · custom_fields · level · not a number",
        "1  leads · auto · drivers · not a list",
        "1  leads · auto · renewal_date · not a date",
        "1  leads · auto · use · not one of the choices",
        "1  leads · auto · year · less than 1900",
        "1  leads · auto · year · not a whole number",
        "1  leads · boats · there is no such line",
        "1  leads · life · coverage · missing, though required",
        "1  leads · life · smoker · neither yes nor no",
        "1  leads · umbrella · not an object",
        "1  policies · home · alarm · neither yes nor no",
        "2  leads · auto · drivers.accidents_5y · less than 0",
    ]
    detailed, refusal = check_json(ids=True, unknown_keys=True)
    assert refusal == "15 values in 5 records do not fit."
    assert f"leads {bad.pk} auto · year · not a whole number" in detailed
    assert "leads · auto · extra · there is no such question or field" in detailed


def test_report_of_fitting_records_reads_batches_and_succeeds(monkeypatch):
    monkeypatch.setattr(json_check, "BATCH_SIZE", 2)
    for _ in range(5):
        make_lead(auto_data={"year": 2001}, line_data={"life": {"smoker": True}})
    Lead.objects.filter(auto_data__year=2001).update(deleted_at="2026-01-01T00:00:00Z")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert check_json() == ("Every value fits.\n", "")
    assert sum('FROM "leads"' in query["sql"] for query in queries) == 4


def test_a_reference_without_its_record_and_a_text_in_its_place_are_reported():
    CustomField.objects.create(table="crm.client", key="it's", label="Referred by", kind="client", is_active=False)
    target = make_client()
    make_client(custom_fields={"it's": str(target.pk)})
    make_client(custom_fields={"it's": "0190b2c4-7a1e-7c3d-9f00-0123456789ab"})
    make_client(custom_fields={"it's": "Olga"})
    report, refusal = check_json()
    assert refusal == "2 values in 2 records do not fit."
    assert "clients · custom_fields · it's · the record that it refers to does not exist" in report
    assert "clients · custom_fields · it's · not the key of a record" in report
