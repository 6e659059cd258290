"""Leads and policies are filtered by the questions of a line, from its form alone."""

from types import SimpleNamespace

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from crm.exceptions import InvalidInput
from crm.models import FieldUsage, SavedView
from crm.records.field_usage import buffer, write_counts
from crm.schema.promotion.indexes import PromotedKey
from crm.screens.custom_fields import filters
from crm.screens.custom_fields.questions import find_questions, load_question_forms
from leads.filters import LeadFilter
from leads.models import InsuranceType, Lead, Policy
from tests.cast import allow_export, browser, make_client, make_lead, make_policy, page_text
from tests.crm.schema.promotions import decided_index, drop_our_objects, promote
from tests.query_plans import filtered_rows, has_sort, plan_indexes, vacuum_analyze

pytestmark = pytest.mark.django_db
LEADS, POLICIES = "/leads/lead/", "/leads/policy/"
VISITS = {
    "type": "array",
    "title": "Vet visits",
    "items": {
        "type": "object",
        "properties": {
            "vet": {"type": "string", "title": "Vet"},
            "cost": {"type": "number", "unit": "$", "title": "Cost"},
            "reason": {"type": "string", "enum": ["ill", "check"], "title": "Reason"},
            "at": {"type": "string", "format": "date-time", "title": "At"},
        },
    },
}
PET_FORM = {
    "type": "object",
    "properties": {
        "species": {"type": "string", "enum": ["dog", "cat"], "title": "Species"},
        "weight": {"type": "integer", "title": "Weight"},
        "born": {"type": "string", "format": "date", "title": "Born"},
        "breed": {"type": "string", "title": "Breed"},
        "chipped": {"type": "boolean", "title": "Chipped"},
        "likes": {"type": "array", "items": {"type": "string", "enum": ["balls", "naps"]}, "title": "Likes"},
        "chip": {"type": "string", "title": "Chip", "retired": True},
        "vet_visits": VISITS,
        "sizes": {"type": "array", "items": {"type": "number"}, "title": "Sizes"},
    },
}


@pytest.fixture
def pet(db) -> InsuranceType:
    return InsuranceType.objects.create(code="pet", name="Pet", form_schema=PET_FORM)


def make_pet_lead(name: str, **answers) -> Lead:
    return make_lead(contact_name=name, line="pet", line_data={"pet": answers})


def names(rows) -> list[str]:
    return sorted(row.contact_name for row in rows)


def found(user, query: str) -> list[str]:
    return names(filtered_rows(Lead, query, user))


@pytest.mark.parametrize(
    ("answers", "query", "expected"),
    [
        ({"weight": [5, 10, 30, "10"]}, "answer.pet.weight~op=from&answer.pet.weight=10", [10, 30]),
        ({"weight": [5, 10, 30]}, "answer.pet.weight=10", [10]),
        ({"weight": [5, 10, 30]}, "answer.pet.weight~op=between&answer.pet.weight=6&answer.pet.weight~to=30", [10, 30]),
        ({"born": ["2020-01-01", "2024-05-05"]}, "answer.pet.born~op=to&answer.pet.born=2021-01-01", ["2020-01-01"]),
        ({"breed": ["Beagle", "Pug"]}, "answer.pet.breed~op=contains&answer.pet.breed=EAG", ["Beagle"]),
        ({"species": ["dog", "cat"]}, "answer.pet.species~op=any&answer.pet.species=cat", ["cat"]),
        ({"chipped": [True, False]}, "answer.pet.chipped=false", [False]),
        (
            {"likes": [["balls"], ["naps", "balls"], []]},
            "answer.pet.likes~op=all&answer.pet.likes=naps",
            [["naps", "balls"]],
        ),
        ({"weight": [5, 10]}, "answer.pet.weight~op=not&answer.pet.weight=5", [10, "no answer"]),
        ({"weight": [5]}, "answer.pet.weight~op=empty", ["no answer"]),
        ({"weight": [5]}, "answer.pet.weight~op=filled", [5]),
    ],
)
def test_leads_are_filtered_by_a_question_of_a_new_line(pet, ada, answers, query, expected):
    ((key, values),) = answers.items()
    for value in values:
        make_pet_lead(str(value), **{key: value})
    make_pet_lead("no answer", other=1)
    make_lead(contact_name="of another line", line="home", home_data={key: values[0]})
    assert found(ada, query) == sorted(map(str, expected))


def test_lead_of_another_line_with_answers_is_asked_too(pet, ada):
    make_lead(contact_name="auto with a pet", line="auto", line_data={"pet": {"breed": "Pug"}})
    make_lead(contact_name="auto only", line="auto")
    assert found(ada, "answer.pet.weight~op=empty") == ["auto with a pet"]
    assert found(ada, "answer.pet.breed=Pug") == ["auto with a pet"]


def test_lines_with_a_column_of_their_own_are_filtered_too(ada):
    make_lead(contact_name="A", auto_data={"annual_mileage": 9000})
    make_lead(contact_name="B", home_data={"annual_mileage": 9000})
    parameter = next(iter(load_question_forms("leads.lead", ["auto"]))).fields[0].parameter
    assert parameter.startswith("answer.auto.")
    schema = InsuranceType.objects.get(code="auto")
    schema.form_schema["properties"]["annual_mileage"] = {"type": "integer", "title": "Annual mileage"}
    schema.save()
    assert found(ada, "answer.auto.annual_mileage=9000") == ["A"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("answer.pet.vet_visits.vet=Dr Paw", ["A"]),
        ("answer.pet.vet_visits.cost=80", ["A", "B"]),
        ("answer.pet.vet_visits.reason=check&answer.pet.vet_visits.reason=ill", ["A", "B"]),
        ("answer.pet.vet_visits.vet~op=not&answer.pet.vet_visits.vet=Dr Paw", ["B", "C"]),
    ],
)
def test_any_entry_of_a_repeated_group_is_found_by_equality(pet, ada, query, expected):
    make_pet_lead("A", vet_visits=[{"vet": "Dr Claw", "cost": 20, "reason": "ill"}, {"vet": "Dr Paw", "cost": 80}])
    make_pet_lead("B", vet_visits=[{"vet": "Dr Claw", "cost": 80, "reason": "check"}])
    make_pet_lead("C", weight=4)
    make_lead(contact_name="D", line="home")
    assert found(ada, query) == expected


def test_policy_is_filtered_by_a_question_of_its_own_line_only(pet, ada):
    InsuranceType.objects.create(code="horse", name="Horse", form_schema=PET_FORM)
    client = make_client()
    dog = make_policy(client=client, line="pet", data={"weight": 30, "breed": "Pug"})
    cat = make_policy(client=client, line="pet", data={"breed": "Siam"})
    make_policy(client=client, line="horse", data={"weight": 30})
    assert set(filtered_rows(Policy, "answer.pet.weight=30", ada)) == {dog}
    assert set(filtered_rows(Policy, "answer.pet.weight~op=from&answer.pet.weight=20", ada)) == {dog}
    assert set(filtered_rows(Policy, "answer.pet.weight~op=empty", ada)) == {cat}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("answer.pet.colour=red", "There is no filter “answer.pet.colour”, so it was left out."),
        ("answer.gone.weight=1", "There is no filter “answer.gone.weight”, so it was left out."),
        ("answer.pet=1", "There is no filter “answer.pet”, so it was left out."),
        ("answer.=1", "There is no filter “answer.”, so it was left out."),
        ("answer.pet.weight=many", "Pet: Weight: “many” is not a number. This filter was left out."),
        ("answer.pet.weight~op=contains&answer.pet.weight=1", "“contains” is no comparison for “Pet: Weight”."),
        ("answer.pet.vet_visits.cost~op=from&answer.pet.vet_visits.cost=1", "“from” is no comparison for"),
        ("answer.pet.sizes=1", "There is no filter “answer.pet.sizes”"),
        ("answer.pet.vet_visits.at=2026-01-01", "There is no filter “answer.pet.vet_visits.at”"),
    ],
)
def test_filter_that_cannot_be_read_is_left_out_with_a_sentence(pet, ada, query, sentence):
    make_pet_lead("A", weight=5)
    response = browser(ada).get(f"{LEADS}?{query}")
    assert sentence in page_text(response)
    assert len(response.context["cl"].page.rows) == 1


def test_chip_saved_view_and_export_know_the_question(pet, ada):
    make_pet_lead("Heavy", weight=30)
    make_pet_lead("Light", weight=3)
    allow_export(ada)
    page, query = browser(ada), "answer.pet.weight=10&answer.pet.weight~op=from"
    response = page.get(f"{LEADS}?{query}")
    (chip,) = response.context["cl"].chips()
    assert (chip["label"], chip["value"], chip["url"]) == ("Pet: Weight", "from 10", "?")
    SavedView.objects.create(name="Heavy", table="leads.lead", query=query, owner=ada)
    assert page.get(f"{LEADS}?{query}").context["cl"].current_view().name == "Heavy"
    file = b"".join(page.post(f"{LEADS}export/?{query}", {"format": "csv"}).streaming_content).decode()
    assert "Heavy" in file and "Light" not in file
    refused = page.post(f"{LEADS}export/?answer.pet.colour=red", {"format": "csv"}, follow=True)
    assert "The filter “answer.pet.colour” is unknown or invalid." in page_text(refused)


def test_sheet_offers_the_lines_and_the_questions_of_the_chosen_one(pet, ada):
    page = browser(ada)
    text = page_text(page.get(f"{LEADS}?sheet=filter"))
    assert '<option value="pet">Pet</option>' in text and "answer.pet." not in text
    text = page_text(page.get(f"{LEADS}filters/?questions=pet"))
    assert 'name="answer.pet.weight"' in text and 'name="answer.pet.vet_visits.vet"' in text
    assert "answer.pet.chip~op" not in text, "a retired question is not offered"
    assert "answer.auto." not in text and "answer.pet.sizes" not in text
    text = page_text(page.get(f"{LEADS}?sheet=filter&answer.pet.chip=7"))
    assert 'name="answer.pet.chip" value="7"' in text, "a filter in force is there to be changed"
    without_script = page.get(f"{LEADS}?questions=pet&stage=")
    assert 'name="answer.pet.weight"' in page_text(without_script) and "There is no filter" not in page_text(
        without_script
    )
    assert "Questions of a line" in page_text(page.get(f"{POLICIES}?sheet=filter"))
    assert "Questions of a line" not in page_text(page.get("/crm/contact/?sheet=filter"))


def test_list_without_a_filter_by_questions_reads_no_line(pet, ada):
    make_pet_lead("A", weight=5)
    with CaptureQueriesContext(connection) as queries:
        LeadFilter(QueryDict("stage=X"), Lead.objects.all(), request=SimpleNamespace(user=ada)).qs.first()
    assert not [query for query in queries if "schema_changes" in query["sql"] or "form_schema" in query["sql"]]


def test_filters_and_orders_count_as_uses_of_the_answer(pet, ada):
    buffer.take()
    filtered_rows(Lead, "answer.pet.weight=5&answer.pet.vet_visits.vet=X&answer.auto.year=2000", ada).count()
    filtered_rows(Policy, "answer.pet.weight=5", ada).count()
    write_counts()
    uses = FieldUsage.objects.values_list("table", "column", "key", "filtered")
    expected = {("leads.lead", "line_data", "pet.weight", 1), ("leads.lead", "line_data", "pet.vet_visits[].vet", 1)}
    assert set(uses) >= {*expected, ("leads.policy", "data", "weight", 1)}


def test_only_a_question_that_compares_gets_an_index(pet):
    horse = {**PET_FORM, "properties": {"weight": {"type": "string", "title": "Weight"}}}
    InsuranceType.objects.create(code="horse", name="Horse", form_schema=horse)
    (likes,) = find_questions("leads.lead", "line_data", "pet.likes")
    (visit,) = find_questions("leads.lead", "line_data", "pet.vet_visits[].vet")
    weight, _ = find_questions("leads.policy", "data", "weight")
    for question, sentence in [
        (likes, "Several choices"),
        (visit, "is in a repeated group"),
        (weight, "as different kinds"),
        (SimpleNamespace(table="leads.lead", column="line_data", key="pet.colour"), "No line asks for “pet.colour”"),
    ]:
        with pytest.raises(InvalidInput, match=sentence):
            decided_index(question)


@pytest.fixture
def no_indexes_left(transactional_db):
    """Remove the indexes that a test has built: restoring the rows leaves them."""
    yield
    drop_our_objects()


def fill(model, values, **kw) -> None:
    model.objects.bulk_create([model(**kw, **values(number)) for number in range(3_000)])


@pytest.mark.django_db(transaction=True)
def test_promoted_question_is_filtered_and_sorted_by_its_index(ada, no_indexes_left, monkeypatch):
    monkeypatch.setattr(filters, "SMALL_TABLE_ROWS", 1_000)
    pet = InsuranceType.objects.create(code="pet", name="Pet", form_schema=PET_FORM)
    fill(
        Lead,
        lambda n: {"contact_name": f"L{n}", "line_data": {"pet": {"weight": n, "breed": f"B{n}"}}},
        insurance_type=pet,
    )
    fill(Policy, lambda n: {"number": str(n), "data": {"weight": n}}, insurance_type=pet, client=make_client())
    vacuum_analyze("leads", "policies")
    page = browser(ada)
    query = "answer.pet.weight~op=from&answer.pet.weight=2990"

    def label(address: str) -> str:
        (chip,) = page.get(address).context["cl"].chips()
        return chip["plan"].label

    assert label(f"{LEADS}?{query}") == "reads all 3,000 records"
    assert label(f"{LEADS}?answer.pet.weight=7") == "indexed", "the GIN index of the column serves equality"
    assert label(f"{LEADS}?answer.pet.vet_visits.vet=X") == "indexed"
    assert label(f"{POLICIES}?answer.pet.weight=7") == "indexed"
    assert "order=answer.pet.weight" not in page_text(page.get(f"{LEADS}?{query}"))
    for table, column, key, address in [
        ("leads.lead", "line_data", "pet.weight", LEADS),
        ("leads.policy", "data", "weight", POLICIES),
    ]:
        change = promote(find_questions(table, column, key)[0])
        assert (change.state, change.kind) == ("APPLIED", "number")
        assert label(f"{address}?{query}") == "indexed"
        assert len(page.get(f"{address}?{query}&order=answer.pet.weight").context["cl"].page.rows) == 10
        listed = page.get(f"{address}?line=pet&order=answer.pet.weight").context["cl"]
        order = listed.available_orders()["answer.pet.weight"]
        sorted_page = order.sort(order.annotate_keys(listed.queryset))[:50]
        assert f"{PromotedKey.of(change).base_name}_sort" in plan_indexes(sorted_page) and not has_sort(sorted_page)
    breed = promote(find_questions("leads.lead", "line_data", "pet.breed")[0])
    words = filtered_rows(Lead, "answer.pet.breed~op=contains&answer.pet.breed=b1234", ada)
    assert f"{PromotedKey.of(breed).base_name}_words" in plan_indexes(words)
    assert names(words) == ["L1234"]
    facts = page_text(page.get(f"/crm/schemachange/{breed.pk}/change/"))
    assert "Pet: Breed (Text)" in facts and "100% of the newest 3,000" in facts
    sheet = page_text(page.get(f"{LEADS}filters/?questions=pet"))
    assert sheet.count(">indexed</span>") == 2, "weight and breed"
