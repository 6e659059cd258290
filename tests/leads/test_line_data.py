"""Tests of the form fields for the line data of a lead."""

import pytest

from leads.forms import LeadForm
from leads.models import InsuranceType, Lead
from tests.cast import make_lead

pytestmark = pytest.mark.django_db
UMBRELLA = {"limit": 1_000_000, "agreed_by": "phone", "schema_version": 1}


def make_form(lead, **data) -> LeadForm:
    fields = ["auto_data", "home_data", "line_data", "communications"]
    kind = type("Form", (LeadForm,), {"Meta": type("Meta", (LeadForm.Meta,), {"fields": fields})})
    return kind(data, instance=lead)


def test_line_data_stores_its_schema_version():
    lead = make_lead(line="umbrella")
    form = make_form(lead, **{"line_data.umbrella.limit": "2000000", "auto_data.make": "Saab"})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["line_data"] == {"umbrella": {"limit": 2_000_000, "schema_version": 1}}
    assert form.cleaned_data["auto_data"] == {"make": "Saab", "schema_version": 1}


def test_keys_outside_the_schema_are_kept():
    lead = make_lead(
        line="umbrella",
        line_data={"umbrella": UMBRELLA, "old_line": {"kept": 1}},
        communications={"email": {"consent": True, "by": "letter"}, "fax": "555-0100"},
    )
    form = make_form(lead, **{"line_data.umbrella.limit": "5", "communications.email.consent": "true"})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["line_data"] == {
        "umbrella": {"limit": 5, "agreed_by": "phone", "schema_version": 1},
        "old_line": {"kept": 1},
    }
    assert form.cleaned_data["communications"] == {"email": {"consent": True, "by": "letter"}, "fax": "555-0100"}


def test_invalid_answer_names_its_question():
    lead = make_lead(line="umbrella")
    form = make_form(lead, **{"line_data.umbrella.limit": "plenty", "auto_data.year": "1066", "auto_data.vin": "I"})
    assert not form.is_valid()
    assert "Limit: “plenty” is not a number." in str(form.errors)
    assert "Year: at least 1900." in str(form.errors)
    assert "VIN: “I”: a VIN has only digits and letters, and never I, O or Q." in str(form.errors)


def test_typed_amounts_and_vins_are_normalized():
    lead = make_lead(line="umbrella")
    form = make_form(
        lead,
        **{
            "line_data.umbrella.limit": "$1,200",
            "auto_data.current_premium": "1.200,50",
            "auto_data.annual_mileage": "12,000",
            "auto_data.vin": " 1hgcm-82633-a004352",
        },
    )
    assert form.is_valid(), form.errors
    assert form.cleaned_data["line_data"]["umbrella"]["limit"] == 1_200
    auto = {"current_premium": 1200.5, "annual_mileage": 12_000, "vin": "1HGCM82633A004352", "schema_version": 1}
    assert form.cleaned_data["auto_data"] == auto


def test_error_stands_at_its_input():
    lead = make_lead(line="auto")
    form = make_form(lead, **{"auto_data.drivers.1.accidents_5y": "many", "auto_data.other_vehicles.2.vin": "1" * 16})
    assert not form.is_valid()
    shown = str(form["auto_data"])
    for name, message in (
        ("auto_data.drivers.1.accidents_5y", "“many” is not a whole number."),
        ("auto_data.other_vehicles.2.vin", "a VIN has 17 characters, and this one has 16."),
    ):
        assert message in shown.split(f'name="{name}"', 1)[1].split("</td>", 1)[0]
    assert shown.count('role="alert"') == 2


def test_vin_that_was_saved_before_does_not_block_the_form():
    lead = make_lead(line="auto", auto_data={"vin": "1HGCM82633A004353", "year": 2003})
    assert make_form(lead, **{"auto_data.vin": "1HGCM82633A004353", "auto_data.year": "2004"}).is_valid()
    assert not make_form(lead, **{"auto_data.vin": "1HGCM82633A004354"}).is_valid()


def test_new_lead_form_has_no_line_questions(as_max):
    page = as_max.get("/leads/lead/add/").content.decode()
    assert "auto_data." not in page and "line_data." not in page
    assert 'name="_show_line"' in page


@pytest.mark.parametrize(("code", "field"), [("auto", "auto_data.vin"), ("umbrella", "line_data.umbrella.limit")])
def test_chosen_line_shows_its_fields_and_keeps_what_was_typed(as_max, code, field):
    line = InsuranceType.objects.get(code=code)
    typed = {"insurance_type": line.pk, "contact_name": "Lee <Ray>", "estimated_value": "$1,2", "_show_line": "1"}
    page = as_max.post("/leads/lead/add/", typed).content.decode()
    assert f'name="{field}"' in page and 'value="Lee &lt;Ray&gt;"' in page and 'value="$1,2"' in page
    assert "errornote" not in page and not Lead.objects.exists()
    again = as_max.post("/leads/lead/add/", {**typed, field: "5", "insurance_type": "no-line"}).content.decode()
    assert f'name="{field}"' not in again


def test_new_lead_keeps_the_answers_of_its_line(as_max):
    line = InsuranceType.objects.get(code="umbrella")
    typed = {"insurance_type": line.pk, "contact_name": "Lee", "client_type": "Individual", "source_type": "OTHER"}
    as_max.post("/leads/lead/add/", {**typed, "estimated_value": "$1,200", "line_data.umbrella.limit": "1M"})
    lead = Lead.objects.get()
    assert lead.estimated_value == 1_200
    assert lead.line_data == {"umbrella": {"limit": 1_000_000, "schema_version": line.schema_version}}


def test_another_line_shows_its_fields_on_a_saved_lead(as_max):
    lead = make_lead(line="auto", auto_data={"make": "Saab"})
    line = InsuranceType.objects.get(code="umbrella")
    page = as_max.post(f"/leads/lead/{lead.pk}/change/", {"insurance_type": line.pk, "_show_line": "1"})
    assert 'name="line_data.umbrella.limit"' in page.content.decode()
    lead.refresh_from_db()
    assert lead.insurance_type.code == "auto"
