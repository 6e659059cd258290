"""Which column of a file is taken for which field of a lead."""

import pytest

from crm.exceptions import BadInput
from leads.importing.columns import FIELDS, NAME_PARTS, SYNONYMS, Plan, plan_of

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


def plan(header: str | list[str], *, borne_out: bool = True, maps=None, sets=None) -> Plan:
    header = header.split(",") if isinstance(header, str) else header
    return plan_of(header, [], lambda field, texts: borne_out, maps=maps or {}, sets=sets or {})


def columns(found: Plan) -> dict[str, str]:
    return {field: found.header[place] for field, place in found.columns.items()}


@pytest.mark.parametrize("export", EXPORTS)
def test_the_columns_of_a_known_export_are_recognised(export):
    header, expected = EXPORTS[export]
    assert columns(plan(header)) == expected


def test_every_field_is_recognised_by_its_own_name():
    assert columns(plan([*FIELDS])) == {field: field for field in FIELDS}
    assert set(SYNONYMS) == {*FIELDS, *NAME_PARTS}


def test_what_matches_nothing_is_kept_under_its_own_name():
    assert plan("Name,E-Mail,Hobby,Shoe size").custom == {2: "Hobby", 3: "Shoe size"}


def test_of_two_columns_for_a_field_the_likelier_is_taken_and_the_other_kept():
    found = plan("Name,Home Phone,Phone,Email,Personal Email")
    assert columns(found)["contact_phone"] == "Phone"
    assert set(found.custom.values()) == {"Home Phone", "Personal Email"}


def test_a_doubtful_name_is_taken_only_if_its_cells_bear_it_out():
    assert columns(plan("Name,Lead Source", borne_out=True))["source_type"] == "Lead Source"
    assert columns(plan("Name,Lead Source", borne_out=False))["source_detail"] == "Lead Source"
    assert "status" not in columns(plan("Name,Lead Status", borne_out=False))


def test_what_is_mapped_wins_over_what_is_guessed():
    found = plan("Name,Email,Office mail", maps={"office MAIL": "contact_email"})
    assert columns(found)["contact_email"] == "Office mail"
    assert found.custom == {1: "Email"}


def test_a_column_mapped_to_nothing_is_kept_as_a_custom_field():
    assert plan("Name,Status", maps={"Status": ""}).custom == {1: "Status"}


def test_what_is_set_is_not_guessed():
    found = plan("Name,Notes", sets={"notes": "From {Name}"})
    assert "notes" not in found.columns
    assert found.custom == {1: "Notes"}


def test_parts_of_a_name_that_are_mapped_stand_for_the_whole():
    found = plan("Name,Vorname,Nachname", maps={"Vorname": "first_name", "Nachname": "last_name"})
    assert found.name_parts == [1, 2]
    assert found.custom == {0: "Name"}


def test_an_error_file_is_read_without_its_first_two_columns():
    assert plan("line,reason,Name,Hobby").custom == {3: "Hobby"}


@pytest.mark.parametrize(
    ("header", "options", "sentence"),
    [
        ("Hobby,Shoe size", {}, "No column holds a person's name.*The columns are: Hobby, Shoe size"),
        ("Name,Hobby", {"maps": {"Hubby": "notes"}}, "There is no column “Hubby”. The columns are: Name, Hobby"),
        (
            "Name,Hobby",
            {"maps": {"Hobby": "pastime"}},
            "no field “pastime” to import into. The fields are: contact_name",
        ),
        ("Name,Hobby", {"sets": {"pastime": "x"}}, "no field “pastime”"),
        ("Name,Hobby", {"sets": {"notes": "{Hubby}"}}, "There is no column “Hubby”"),
        ("Name,A,B", {"maps": {"A": "notes", "B": "notes"}}, "The field notes is given twice"),
        ("Name,A", {"maps": {"A": "notes"}, "sets": {"notes": "x"}}, "The field notes is given twice"),
        ("Name,A", {"maps": {"A": "first_name"}, "sets": {"contact_name": "x"}}, "is given twice"),
        ("Ann Lee,ann@example.com,Berlin", {}, "must name the columns, and “ann@example.com” looks like data"),
        ("1,2,3", {}, "“1” looks like data"),
        ("Ann Lee,01/02/2024,Berlin", {}, "“01/02/2024” looks like data"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_sentence(header, options, sentence):
    with pytest.raises(BadInput, match=sentence):
        plan(header, **options)


def test_years_may_be_columns_where_others_have_names():
    assert plan("Name,2024,2025").custom == {1: "2024", 2: "2025"}
