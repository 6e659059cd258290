"""Tests of the mapping of columns to fields."""

import pytest

from crm.exceptions import InvalidInput
from leads.importing.columns import IMPORTABLE_FIELDS, LEAD_FIELDS, ImportPlan, plan_import
from leads.importing.synonyms import FIELD_SYNONYMS

EXPORTS = {
    "HubSpot": (
        "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Lead Status,Company Name,Website URL",
        {
            "first_name": "First Name",
            "last_name": "Last Name",
            "contact_email": "Email",
            "contact_phone": "Phone Number",
            "assigned_to": "Contact owner",
            "status": "Lead Status",
            "company_name": "Company Name",
            "company_website": "Website URL",
        },
    ),
    "Salesforce": (
        "Salutation,First Name,Last Name,Title,Company / Account,Email,Phone,Mobile,Lead Source,Description,Amount,"
        "Close Date,Stage",
        {
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company / Account",
            "contact_email": "Email",
            "contact_phone": "Phone",
            "source_type": "Lead Source",
            "notes": "Description",
            "estimated_value": "Amount",
            "expected_close_date": "Close Date",
            "status": "Stage",
        },
    ),
    "Pipedrive": (
        "Person - Name,Person - Email - Work,Person - Phone - Work,Person - Organization,Deal - Value,Deal - Stage,"
        "Deal - Expected close date,Deal - Lost reason",
        {
            "contact_name": "Person - Name",
            "contact_email": "Person - Email - Work",
            "contact_phone": "Person - Phone - Work",
            "company_name": "Person - Organization",
            "estimated_value": "Deal - Value",
            "status": "Deal - Stage",
            "expected_close_date": "Deal - Expected close date",
            "loss_reason": "Deal - Lost reason",
        },
    ),
    "Zoho": (
        "Lead Owner,Company,First Name,Last Name,Full Name,Email,Mobile,Website,Tag",
        {
            "assigned_to": "Lead Owner",
            "company_name": "Company",
            "contact_name": "Full Name",
            "contact_email": "Email",
            "contact_phone": "Mobile",
            "company_website": "Website",
            "tags": "Tag",
        },
    ),
    "Google": (
        "Name,Given Name,Family Name,Notes,Group Membership,E-mail 1 - Value,E-mail 2 - Value,Phone 1 - Value,"
        "Organization 1 - Name,Website 1 - Value",
        {
            "contact_name": "Name",
            "notes": "Notes",
            "tags": "Group Membership",
            "contact_email": "E-mail 1 - Value",
            "contact_phone": "Phone 1 - Value",
            "company_name": "Organization 1 - Name",
            "company_website": "Website 1 - Value",
        },
    ),
    "Outlook": (
        "First Name,Middle Name,Last Name,Company,E-mail Address,Mobile Phone,Business Phone,Web Page,Categories",
        {
            "first_name": "First Name",
            "middle_name": "Middle Name",
            "last_name": "Last Name",
            "company_name": "Company",
            "contact_email": "E-mail Address",
            "contact_phone": "Mobile Phone",
            "company_website": "Web Page",
            "tags": "Categories",
        },
    ),
    "agency system": (
        "Applicant First Name,Applicant Last Name,Applicant Email,Cell Phone,Line of Business,Annual Premium,"
        "Producer,Customer Type",
        {
            "first_name": "Applicant First Name",
            "last_name": "Applicant Last Name",
            "contact_email": "Applicant Email",
            "contact_phone": "Cell Phone",
            "insurance_type": "Line of Business",
            "estimated_value": "Annual Premium",
            "assigned_to": "Producer",
            "client_type": "Customer Type",
        },
    ),
}


def make_plan(
    header: str | list[str], *, cells_match: bool = True, column_fields=None, field_templates=None
) -> ImportPlan:
    header = header.split(",") if isinstance(header, str) else header
    return plan_import(
        header,
        [],
        lambda field, texts: cells_match,
        column_fields=column_fields or {},
        field_templates=field_templates or {},
    )


def columns(plan: ImportPlan) -> dict[str, str]:
    return {field: plan.header[place] for field, place in plan.columns.items()}


@pytest.mark.parametrize("export", EXPORTS)
def test_columns_of_known_exports_are_recognised(export):
    header, expected = EXPORTS[export]
    assert columns(make_plan(header)) == expected


def test_every_field_is_recognised_by_its_own_name():
    assert columns(make_plan([*IMPORTABLE_FIELDS])) == {field: field for field in IMPORTABLE_FIELDS}
    assert set(FIELD_SYNONYMS) == {*LEAD_FIELDS.targets}


def test_unknown_column_becomes_custom_field():
    assert make_plan("Name,E-Mail,Hobby,Shoe size").custom_columns == {2: "Hobby", 3: "Shoe size"}


def test_likelier_of_two_columns_is_used_and_other_kept():
    plan = make_plan("Name,Home Phone,Phone,Email,Personal Email")
    assert columns(plan)["contact_phone"] == "Phone"
    assert set(plan.custom_columns.values()) == {"Home Phone", "Personal Email"}


def test_ambiguous_column_needs_matching_cells():
    assert columns(make_plan("Name,Lead Source", cells_match=True))["source_type"] == "Lead Source"
    assert columns(make_plan("Name,Lead Source", cells_match=False))["source_detail"] == "Lead Source"
    assert "status" not in columns(make_plan("Name,Lead Status", cells_match=False))


def test_explicit_mapping_overrides_guess():
    plan = make_plan("Name,Email,Office mail", column_fields={"office MAIL": "contact_email"})
    assert columns(plan)["contact_email"] == "Office mail"
    assert plan.custom_columns == {1: "Email"}


def test_column_mapped_to_nothing_becomes_custom_field():
    assert make_plan("Name,Status", column_fields={"Status": ""}).custom_columns == {1: "Status"}


def test_fixed_value_prevents_guessing():
    plan = make_plan("Name,Notes", field_templates={"notes": "From {Name}"})
    assert "notes" not in plan.columns
    assert plan.custom_columns == {1: "Notes"}


def test_mapped_name_parts_replace_full_name():
    plan = make_plan("Name,Vorname,Nachname", column_fields={"Vorname": "first_name", "Nachname": "last_name"})
    assert plan.name_parts == [1, 2]
    assert plan.custom_columns == {0: "Name"}


def test_error_file_columns_are_skipped():
    assert make_plan("line,reason,Name,Hobby").custom_columns == {3: "Hobby"}


@pytest.mark.parametrize(
    ("header", "options", "sentence"),
    [
        ("Hobby,Shoe size", {}, "No column holds the name of a person, a company.*The columns are: Hobby, Shoe size"),
        (
            "Name,Hobby",
            {"column_fields": {"Hubby": "notes"}},
            "There is no column “Hubby”. The columns are: Name, Hobby",
        ),
        (
            "Name,Hobby",
            {"column_fields": {"Hobby": "pastime"}},
            "no field “pastime”. The fields are: contact_name",
        ),
        ("Name,Hobby", {"field_templates": {"pastime": "x"}}, "no field “pastime”"),
        ("Name,Hobby", {"field_templates": {"notes": "{Hubby}"}}, "There is no column “Hubby”"),
        ("Name,A,B", {"column_fields": {"A": "notes", "B": "notes"}}, "The field notes has two sources"),
        (
            "Name,A",
            {"column_fields": {"A": "notes"}, "field_templates": {"notes": "x"}},
            "The field notes has two sources",
        ),
        ("Name,A", {"column_fields": {"A": "first_name"}, "field_templates": {"contact_name": "x"}}, "has two sources"),
        ("Ann Lee,ann@example.com,Berlin", {}, "must name the columns, but “ann@example.com” looks like data"),
        ("1,2,3", {}, "“1” looks like data"),
        ("Ann Lee,01/02/2024,Berlin", {}, "“01/02/2024” looks like data"),
    ],
)
def test_invalid_plan_is_refused_with_reason(header, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make_plan(header, **options)


def test_year_columns_count_as_header_names():
    assert make_plan("Name,2024,2025").custom_columns == {1: "2024", 2: "2025"}
