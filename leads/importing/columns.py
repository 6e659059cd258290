"""Which column of a file is which field of a lead. Pure: no database."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from crm.refusals import BadInput
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
    for template in sets.values():
        for name in PLACEHOLDER.findall(template):
            if name != ROW_NUMBER:
                place_of(name, header)
    columns = {field: place for place, field in mapped.items() if field}
    free = {place: plain(name) for place, name in enumerate(header) if place not in mapped}
    for field in missing_fields({*columns, *sets}):
        texts = {place: list(column_texts(rows, place)) for place in free}
        if (place := guess(field, free, texts, bears_out)) is not None:
            columns[field] = place
            del free[place]
    if "contact_name" in columns:
        columns = {field: place for field, place in columns.items() if field not in NAME_PARTS}
    plan = Plan(header, columns, sets)
    if not ("contact_name" in {*columns, *sets} or plan.name_parts):
        raise BadInput(
            "No column holds a person's name. Say which does with --map, or make names of the others with "
            f"--set, as in --set contact_name='Applicant {{row}}'. The columns are: {', '.join(header)}."
        )
    return plan
