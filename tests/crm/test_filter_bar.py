"""The filters of a list, one by one: added by name, changed and removed at their chips."""

from urllib.parse import parse_qs

import pytest

from crm.models import CustomField
from leads.models import InsuranceType
from tests.cast import browser, make_client, make_lead, page_text

pytestmark = pytest.mark.django_db
LEADS, CLIENTS = "/leads/lead/", "/crm/client/"
PET_FORM = {"type": "object", "properties": {"species": {"type": "string", "title": "Species"}}}


@pytest.fixture
def pet(db) -> InsuranceType:
    return InsuranceType.objects.create(code="pet", name="Pet", form_schema=PET_FORM)


def make_field(**kw) -> CustomField:
    return CustomField.objects.create(**{"table": "crm.client", "label": "Level", "key": "level", "kind": "text", **kw})


def names(page, url: str, **params) -> dict[str, str]:
    """Return the labels of the filters that the list offers, by name."""
    return {one.name: one.label for one in page.get(f"{url}filters/", params).context["names"]}


def test_names_are_those_of_the_list_of_custom_fields_and_of_questions(as_max, pet):
    make_field(table="leads.lead")
    make_field(table="leads.lead", key="secret", label="Secret", is_filterable=False)
    offered = names(as_max, LEADS)
    assert offered["stage"] == "Stage" and offered["cf.level"] == "Level"
    assert offered["answer.pet.species"] == "Pet: Species"
    assert "cf.secret" not in offered and "q" not in offered and "import_batch" not in offered
    hidden = {one.name for one in as_max.get(f"{LEADS}filters/").context["names"] if one.found_only}
    assert "answer.pet.species" in hidden and "stage" not in hidden


def test_ends_of_a_range_are_one_filter(as_max):
    offered = names(as_max, LEADS)
    assert offered["value_min"] == "Value" and "value_max" not in offered
    form = as_max.get(f"{LEADS}filters/", {"field": "value_max", "value_min": "5"}).content.decode()
    assert 'name="value_min" value="5"' in form and 'name="value_max"' in form
    cl = as_max.get(LEADS, {"value_min": "1000", "value_max": "5000", "created_to": "2026-01-31"}).context["cl"]
    chips = {chip["label"]: chip for chip in cl.chips()}
    assert {label: chip["value"] for label, chip in chips.items()} == {
        "Value": "1,000 to 5,000",
        "Created": "to 31 Jan 2026",
    }
    assert parse_qs(chips["Value"]["url"].lstrip("?")) == {"created_to": ["2026-01-31"]}


def test_form_of_one_filter_keeps_the_others_the_order_and_the_columns(as_max):
    sent = {"stage": "ACTIVE", "tags": "vip", "order": "value", "column": ["lead", "tags"]}
    form = as_max.get(f"{LEADS}filters/", {**sent, "field": "stage"}).content.decode()
    for name, value in (("tags", "vip"), ("order", "value"), ("column", "lead"), ("column", "tags")):
        assert f'<input type="hidden" name="{name}" value="{value}">' in form
    assert 'type="hidden" name="stage"' not in form and 'value="ACTIVE" selected' in form
    assert 'href="?tags=vip&amp;order=value&amp;column=lead&amp;column=tags">Remove</a>' in form
    assert ">Remove</a>" not in as_max.get(f"{LEADS}filters/?field=stage").content.decode()


def test_form_of_a_custom_field_has_its_comparison(as_max):
    make_field(kind="number")
    form = as_max.get(f"{CLIENTS}filters/?field=cf.level&cf.level~op=between&cf.level=1&cf.level~to=9").content.decode()
    assert 'name="cf.level~to"' in form and '<option value="between" selected>' in form
    assert 'type="hidden"' not in form


def test_form_of_a_question_needs_no_line_in_the_address(as_max, pet):
    form = as_max.get(f"{LEADS}filters/?field=answer.pet.species").content.decode()
    assert 'name="answer.pet.species"' in form
    assert as_max.get(f"{LEADS}filters/?field=answer.pet.none").status_code == 404


def test_key_without_a_definition_can_be_changed(as_max):
    make_client(custom_fields={"region": "north"})
    (chip,) = as_max.get(f"{CLIENTS}?cf.region=north").context["cl"].chips()
    form = as_max.get(chip["form_url"]).content.decode()
    assert 'name="cf.region"' in form and 'value="north"' in form
    other = as_max.get(f"{CLIENTS}filters/?field=cf.").content.decode()
    assert '<option value="region"></option>' in other


def test_chip_opens_its_form_and_has_a_link_that_removes_it(as_max):
    make_lead(tags=["vip"])
    cl = as_max.get(LEADS, {"tags": "vip", "q": "lee"}).context["cl"]
    chips = {chip["label"]: chip for chip in cl.chips()}
    assert chips["Search"]["form_url"] == "", "the search has its own input"
    assert as_max.get(chips["Tags (comma-separated)"]["form_url"]).status_code == 200
    page = page_text(as_max.get(LEADS, {"tags": "vip", "q": "lee"}))
    assert 'aria-label="Remove the filter Tags (comma-separated)"' in page
    assert 'data-fields="/leads/lead/filters/?tags=vip&amp;q=lee&amp;field=tags"' in page


def test_filter_that_only_a_link_sets_cannot_be_changed(as_max):
    client = make_client(name="Olin")
    cl = as_max.get("/leads/policy/", {"client": str(client.pk)}).context["cl"]
    assert [(chip["value"], chip["form_url"]) for chip in cl.chips()] == [("Olin", "")]
    assert as_max.get("/leads/policy/filters/?field=client").status_code == 404


def test_filters_need_the_right_to_see_the_list(stranger):
    for query in ("", "?field=stage", "?questions=pet"):
        assert browser(stranger).get(f"{LEADS}filters/{query}").status_code == 403


def test_names_cost_few_statements_whatever_the_number_of_lines(as_max, pet, django_assert_max_num_queries):
    for number in range(10):
        InsuranceType.objects.create(code=f"line{number}", name=f"Line {number}", form_schema=PET_FORM)
    with django_assert_max_num_queries(10):
        as_max.get(f"{LEADS}filters/")
