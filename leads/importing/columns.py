"""Map the columns of a file to the fields of a lead. Pure: no database."""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crm.exceptions import InvalidInput
from leads.importing.cells import normalize_name

# Three columns of a file can make up our one name.
NAME_PARTS = ("first_name", "middle_name", "last_name")
IMPORTABLE_FIELDS = (
    *("contact_name", "contact_email", "contact_phone", "company_name", "company_website", "client_type"),
    *("source_type", "source_detail", "assigned_to", "notes", "status", "insurance_type"),
    *("loss_reason", "loss_notes", "overall_score", "tier_override", "predicted_close_probability"),
    *("estimated_value", "expected_close_date", "closed_at", "tags"),
)
# The error file begins with these columns; the import skips them, so that a corrected error file can be imported.
ERROR_COLUMNS = ["line", "reason"]
ROW_NUMBER_PLACEHOLDER = "row"
TEMPLATE_PLACEHOLDER_PATTERN = re.compile(r"\{([^{}]*)\}")
EMAIL_OR_URL_PATTERN = re.compile(r"\S+@\S+|https?://.*", re.IGNORECASE)
NUMBER_OR_DATE_PATTERN = re.compile(r"[-+$€£]?\d[\d.,:/ -]*%?")

# Names of the same thing in the exports of HubSpot, Salesforce, Pipedrive, Zoho, Dynamics, Google and Outlook
# contacts, LinkedIn, Mailchimp, and the agency systems Applied Epic, AMS360, EZLynx and HawkSoft, without case
# and punctuation. If several columns match, the first name in this list wins.
FIELD_SYNONYMS = {
    "contact_name": """contactname fullname name contactfullname personname leadname primarycontact
        primarycontactname clientname customername insuredname namedinsured applicantname prospectname
        dealcontactperson associatedcontact displayname fileas""",
    "first_name": """firstname givenname forename fname first contactfirstname personfirstname
        applicantfirstname insuredfirstname clientfirstname customerfirstname primarycontactfirstname""",
    "middle_name": "middlename additionalname middle middleinitial applicantmiddlename",
    "last_name": """lastname familyname surname lname last contactlastname personlastname applicantlastname
        insuredlastname clientlastname customerlastname primarycontactlastname""",
    "contact_email": """contactemail email emailaddress mail primaryemail email1value email1 email1address
        emailaddress1 workemail businessemail personemail personemailwork applicantemail applicantemailaddress
        insuredemail clientemail customeremail primarycontactemail leademail personemailhome
        personemailother homeemail personalemail""",
    "contact_phone": """contactphone phone phonenumber contactphonenumber telephone telephonenumber tel
        primaryphone phone1value phone1 mobilephone mobilephonenumber mobile mobilenumber cellphone cell
        cellphonenumber workphone businessphone personphone personphonework personphonemobile homephone
        personphonehome applicantphone applicantcellphone applicanthomephone insuredphone clientphone
        customerphone leadphone""",
    "company_name": """companyname company companyaccount account accountname organization organisation
        organizationname organization1name personorganization dealorganization leadorganization
        associatedcompany associatedcompanyprimary firm firmname businessname business employer
        parentcustomer""",
    "company_website": """companywebsite website websiteurl webpage homepage web companydomainname
        companydomain website1value organizationwebsite businesswebsite""",
    "client_type": "clienttype",
    "source_type": "sourcetype",
    "source_detail": """sourcedetail leadsource source originalsource originaltrafficsource leadsourcedetail
        contactsource dealsource referredby referralsource""",
    "assigned_to": "assignedto",
    "notes": "notes note description comments comment remarks background biographies",
    "status": "status stage",
    "insurance_type": "insurancetype lineofinsurance",
    "loss_reason": "lossreason",
    "loss_notes": "lossnotes",
    "overall_score": "overallscore",
    "tier_override": "tieroverride",
    "predicted_close_probability": "predictedcloseprobability",
    "estimated_value": """estimatedvalue value amount dealvalue dealamount leadvalue opportunityamount
        estvalue estrevenue closevalue premium annualpremium annualizedpremium estimatedpremium
        policyannualpremium quotedpremium""",
    "expected_close_date": """expectedclosedate closedate closingdate estclosedate estimatedclosedate
        targetclosedate dealexpectedclosedate leadexpectedclosedate""",
    "closed_at": "closedat",
    "tags": "tags tag labels label categories groupmembership leadlabels deallabel personlabel",
}
# Names with different meanings in different systems: used only if the cells fit the field.
AMBIGUOUS_SYNONYMS = {
    "client_type": "type customertype accounttype recordtype prospecttype",
    "source_type": "source leadsource originalsource",
    "assigned_to": """owner leadowner contactowner dealowner opportunityowner accountowner producer agent
        accountexecutive accountmanager salesrep salesagent salesperson csr""",
    "status": "leadstatus leadstage dealstage dealstatus opportunitystage pipelinestage lifecyclestage",
    "insurance_type": """line lineofbusiness lob policytype coveragetype coverage product producttype
        insuranceline policyline""",
    "loss_reason": "lostreason deallostreason closedlostreason reasonlost",
    "overall_score": "score leadscore",
}

# Takes a field and the texts of a column, and returns whether the texts can be values of the field.
CellsMatchField = Callable[[str, list[str]], bool]


@dataclass(frozen=True)
class ImportPlan:
    """The source of each field of a lead: a column, by its index, or a template."""

    header: list[str]
    columns: Mapping[str, int]
    templates: Mapping[str, str]

    @property
    def custom_columns(self) -> dict[int, str]:
        """Return the columns without a field, by index: each becomes a custom field with the name of the column."""
        error_columns = range(len(ERROR_COLUMNS)) if self.header[: len(ERROR_COLUMNS)] == ERROR_COLUMNS else ()
        used = {*self.columns.values(), *error_columns}
        return {index: name for index, name in enumerate(self.header) if index not in used}

    @property
    def name_parts(self) -> list[int]:
        return [self.columns[part] for part in NAME_PARTS if part in self.columns]


def plan_import(
    header: list[str],
    rows: list[list[str]],
    cells_match: CellsMatchField,
    *,
    column_fields: Mapping[str, str],
    field_templates: Mapping[str, str],
) -> ImportPlan:
    """Decide the source of each field: as `column_fields` and `field_templates` say, else guessed from the names.

    `column_fields` maps a column to a field, or to "" to keep it as a custom field. `field_templates` maps a field
    to a template. `rows` are the first rows of the file.

    Raises:
        InvalidInput: a column or field does not exist, a field has two sources, or the name has none.
    """
    mapped = {column_index(column, header): validate_field(field) for column, field in column_fields.items()}
    check_header_row(header, mapped)
    check_single_source([*filter(None, mapped.values()), *map(validate_field, field_templates)])
    for name in itertools.chain.from_iterable(map(TEMPLATE_PLACEHOLDER_PATTERN.findall, field_templates.values())):
        if name != ROW_NUMBER_PLACEHOLDER:
            column_index(name, header)
    columns = {field: index for index, field in mapped.items() if field}
    unmapped = {index: normalize_name(name) for index, name in enumerate(header) if index not in mapped}
    columns |= guess_columns(unmapped, rows, cells_match, used={*columns, *field_templates})
    plan = ImportPlan(header, columns, field_templates)
    if not ("contact_name" in {*columns, *field_templates} or plan.name_parts):
        raise InvalidInput(
            "No column holds the name of a person. Choose one with --map, or build names with --set, for example "
            f"--set contact_name='Applicant {{row}}'. The columns are: {', '.join(header)}."
        )
    return plan


def guess_columns(
    unmapped: Mapping[int, str], rows: list[list[str]], cells_match: CellsMatchField, *, used: set[str]
) -> dict[str, int]:
    """Guess a column for each field that has none; `unmapped` maps the index of a column to its normalized name."""
    columns: dict[str, int] = {}
    for field in (*IMPORTABLE_FIELDS, *NAME_PARTS):
        if field in used or conflicts_with_name_parts(field, {*used, *columns}):
            continue
        indexes = {name: index for index, name in reversed(unmapped.items()) if index not in columns.values()}
        certain = (indexes[name] for name in FIELD_SYNONYMS[field].split() if name in indexes)
        ambiguous = (
            indexes[name]
            for name in AMBIGUOUS_SYNONYMS.get(field, "").split()
            if name in indexes and cells_match(field, non_blank_cells(rows, indexes[name]))
        )
        index = next(itertools.chain(certain, ambiguous), None)
        if index is not None:
            columns[field] = index
    return columns


def conflicts_with_name_parts(field: str, used: set[str]) -> bool:
    """Return whether `field` is the full name and a part of it is used, or the other way round."""
    if field == "contact_name":
        return not used.isdisjoint(NAME_PARTS)
    return field in NAME_PARTS and "contact_name" in used


def non_blank_cells(rows: list[list[str]], index: int) -> list[str]:
    """Return the stripped cells of a column of `rows`, without the blank ones."""
    return [text for cells in rows if index < len(cells) and (text := cells[index].strip())]


def column_index(column: str, header: list[str]) -> int:
    """Return the index of `column`, ignoring case.

    Raises:
        InvalidInput: there is no such column.
    """
    for index, name in enumerate(header):
        if name.casefold() == " ".join(column.split()).casefold():
            return index
    raise InvalidInput(f"There is no column “{column}”. The columns are: {', '.join(header)}.")


def validate_field(field: str) -> str:
    if field and field not in {*IMPORTABLE_FIELDS, *NAME_PARTS}:
        fields = ", ".join((*IMPORTABLE_FIELDS, *NAME_PARTS))
        raise InvalidInput(f"A lead has no field “{field}”. The fields are: {fields}.")
    return field


def check_single_source(fields: list[str]) -> None:
    for index, field in enumerate(fields):
        if field in fields[:index] or conflicts_with_name_parts(field, {*fields[:index]}):
            raise InvalidInput(f"The field {field} has two sources. Remove one of its --map or --set options.")


def check_header_row(header: list[str], mapped: Mapping[int, str]) -> None:
    """Refuse a first row that holds data instead of column names."""
    known_names = {name for names in (*FIELD_SYNONYMS.values(), *AMBIGUOUS_SYNONYMS.values()) for name in names.split()}
    has_column_names = bool(mapped) or any(normalize_name(cell) in known_names for cell in header)
    data_pattern = (
        EMAIL_OR_URL_PATTERN
        if has_column_names
        else re.compile(f"{EMAIL_OR_URL_PATTERN.pattern}|{NUMBER_OR_DATE_PATTERN.pattern}", re.IGNORECASE)
    )
    if data := next((cell for cell in header if data_pattern.fullmatch(cell)), None):
        raise InvalidInput(
            f"The first row must name the columns, but “{data[:60]}” looks like data. Add a row with column names."
        )
