"""Which column of a file is which field of a lead. Pure: no database."""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crm.exceptions import BadInput
from leads.importing.cells import plain

# Three fields of a file that make up one of ours.
NAME_PARTS = ("first_name", "middle_name", "last_name")
FIELDS = (
    *("contact_name", "contact_email", "contact_phone", "company_name", "company_website", "client_type"),
    *("source_type", "source_detail", "assigned_to", "notes", "status", "insurance_type"),
    *("loss_reason", "loss_notes", "overall_score", "tier_override", "predicted_close_probability"),
    *("estimated_value", "expected_close_date", "closed_at", "tags"),
)
# What the error file puts before the columns of the file: a corrected one is imported as it is.
ERROR_COLUMNS = ["line", "reason"]
ROW_NUMBER = "row"
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
VALUE = re.compile(r"\S+@\S+|https?://.*", re.IGNORECASE)
NUMBER_OR_DATE = re.compile(r"[-+$€£]?\d[\d.,:/ -]*%?")

# Names of the same thing in the exports of HubSpot, Salesforce, Pipedrive, Zoho, Dynamics, Google and Outlook
# contacts, LinkedIn, Mailchimp, and the agency systems Applied Epic, AMS360, EZLynx and HawkSoft, without case
# and punctuation. Of several columns, the one that stands first here is taken.
SYNONYMS = {
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
# Names that mean one thing here and another there: taken only where the cells bear it out.
DOUBTFUL = {
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

# Whether the texts of a column can be values of a field.
BearsOut = Callable[[str, list[str]], bool]


@dataclass(frozen=True)
class Plan:
    """Where each field of a lead comes from: a column, by its place, or a template."""

    header: list[str]
    columns: Mapping[str, int]
    templates: Mapping[str, str]

    @property
    def custom(self) -> dict[int, str]:
        """The columns that are no field, by their place: each becomes a custom field of its own name."""
        ours = range(len(ERROR_COLUMNS)) if self.header[: len(ERROR_COLUMNS)] == ERROR_COLUMNS else ()
        used = {*self.columns.values(), *ours}
        return {place: name for place, name in enumerate(self.header) if place not in used}

    @property
    def name_parts(self) -> list[int]:
        return [self.columns[part] for part in NAME_PARTS if part in self.columns]


def plan_of(
    header: list[str],
    rows: list[list[str]],
    bears_out: BearsOut,
    *,
    maps: Mapping[str, str],
    sets: Mapping[str, str],
) -> Plan:
    """What is to become of each column: as `maps` and `sets` say, else as its name lets guess.

    `maps` gives a column's field, or "" to keep it as a custom field; `sets` gives a field's template.
    `rows` are the first ones of the file.

    Raises:
        BadInput: there is no such column or field, a field has two sources, or the name has none.
    """
    mapped = {place_of(column, header): checked_field(field) for column, field in maps.items()}
    refuse_data_as_names(header, mapped)
    refuse_two_sources([*filter(None, mapped.values()), *map(checked_field, sets)])
    for name in itertools.chain.from_iterable(map(PLACEHOLDER.findall, sets.values())):
        if name != ROW_NUMBER:
            place_of(name, header)
    columns = {field: place for place, field in mapped.items() if field}
    free = {place: plain(name) for place, name in enumerate(header) if place not in mapped}
    columns |= guessed(free, rows, bears_out, taken={*columns, *sets})
    plan = Plan(header, columns, sets)
    if not ("contact_name" in {*columns, *sets} or plan.name_parts):
        raise BadInput(
            "No column holds a person's name. Say which one does with --map, or make names with --set, as in "
            f"--set contact_name='Applicant {{row}}'. The columns are: {', '.join(header)}."
        )
    return plan


def guessed(free: Mapping[int, str], rows: list[list[str]], bears_out: BearsOut, *, taken: set[str]) -> dict[str, int]:
    """A column for each field that has none yet, of those in `free` (their plain names by their places)."""
    columns: dict[str, int] = {}
    for field in (*FIELDS, *NAME_PARTS):
        if field in taken or says_the_same(field, {*taken, *columns}):
            continue
        places = {name: place for place, name in reversed(free.items()) if place not in columns.values()}
        sure = (places[name] for name in SYNONYMS[field].split() if name in places)
        doubtful = (
            places[name]
            for name in DOUBTFUL.get(field, "").split()
            if name in places and bears_out(field, column_texts(rows, places[name]))
        )
        place = next(itertools.chain(sure, doubtful), None)
        if place is not None:
            columns[field] = place
    return columns


def says_the_same(field: str, taken: set[str]) -> bool:
    """Whether `field` is a person's full name and its parts are taken, or the other way round."""
    if field == "contact_name":
        return not taken.isdisjoint(NAME_PARTS)
    return field in NAME_PARTS and "contact_name" in taken


def column_texts(rows: list[list[str]], place: int) -> list[str]:
    """What stands in a column of `rows`, without blank cells."""
    return [text for cells in rows if place < len(cells) and (text := cells[place].strip())]


def place_of(column: str, header: list[str]) -> int:
    """The place of `column`, written with any case.

    Raises:
        BadInput: there is no such column.
    """
    for place, name in enumerate(header):
        if name.casefold() == " ".join(column.split()).casefold():
            return place
    raise BadInput(f"There is no column “{column}”. The columns are: {', '.join(header)}.")


def checked_field(field: str) -> str:
    if field and field not in {*FIELDS, *NAME_PARTS}:
        fields = ", ".join((*FIELDS, *NAME_PARTS))
        raise BadInput(f"A lead has no field “{field}” to import into. The fields are: {fields}.")
    return field


def refuse_two_sources(fields: list[str]) -> None:
    for place, field in enumerate(fields):
        if field in fields[:place] or says_the_same(field, {*fields[:place]}):
            raise BadInput(f"The field {field} is given twice: leave one --map or --set of it away.")


def refuse_data_as_names(header: list[str], mapped: Mapping[int, str]) -> None:
    """Refuse a first row that is a lead already, and not the names of the columns."""
    known = {name for names in (*SYNONYMS.values(), *DOUBTFUL.values()) for name in names.split()}
    named = bool(mapped) or any(plain(cell) in known for cell in header)
    looks = VALUE if named else re.compile(f"{VALUE.pattern}|{NUMBER_OR_DATE.pattern}", re.IGNORECASE)
    if data := next((cell for cell in header if looks.fullmatch(cell)), None):
        raise BadInput(
            f"The first row must name the columns, and “{data[:60]}” looks like data. Put a row of names above."
        )
