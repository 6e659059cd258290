"""The rules that hold between the fields of an imported lead. Pure: no database."""

import re
from datetime import date

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from crm.records.local_time import agency_today, start_of_agency_day
from leads.importing.cells import split_named_address
from leads.importing.columns import ImportPlan
from leads.importing.drafts import RowDraft
from leads.importing.exceptions import RowRejected
from leads.importing.synonyms import plain_name
from leads.importing.values.parsers import ImportContext
from leads.models import Lead

# A lead without a name is called by the first of these.
NAME_SUBSTITUTES = ("company_name", "contact_email", "contact_phone")
# A date that was only expected is not the day a lead was closed.
EXPECTED_DATE_PATTERN = re.compile("expect|^est|estim|target|forecast|erwart|voraus|prevu|previst")
MAX_NAME_LENGTH = Lead._meta.get_field("contact_name").max_length


class LeadRules:
    """Complete the leads of one import, and resolve contradictions between their fields."""

    def __init__(self, plan: ImportPlan, context: ImportContext) -> None:
        self.context, self.today = context, agency_today()
        self.labels = {name: plan.header[index] for name, index in plan.columns.items()}
        close_date = plain_name(self.labels.get("expected_close_date", ""))
        self.is_close_date_actual = not EXPECTED_DATE_PATTERN.search(close_date)

    def complete(self, draft: RowDraft) -> None:
        """Apply all rules to `draft`.

        Raises:
            RowRejected: the row says nothing of a person or a company.
        """
        self.split_name_and_address(draft)
        self.name_the_nameless(draft)
        self.date_the_closing(draft)
        self.check_loss(draft)

    def split_name_and_address(self, draft: RowDraft) -> None:
        """Read “Ava Stone (ava@example.com)” as a name and an address, if the row has no other address."""
        text = draft.get("contact_name")
        if "@" not in text:
            return
        name, address = split_named_address(text)
        address = address or text
        if not is_address(address):
            return
        draft.set("contact_name", name)
        if not draft.get("contact_email"):
            draft.set("contact_email", address)
        # Further people, or a second address of the same person.
        if text.count("@") > 1 or draft.get("contact_email") != address:
            draft.keep_text("contact_name", self.labels.get("contact_name", "contact_name"), text)

    def name_the_nameless(self, draft: RowDraft) -> None:
        if draft.get("contact_name"):
            return
        substitute = next((value for name in NAME_SUBSTITUTES if (value := draft.get(name))), "")
        if not substitute:
            raise RowRejected("The row has no name, company, address or phone.")
        draft.set("contact_name", substitute[:MAX_NAME_LENGTH])

    def date_the_closing(self, draft: RowDraft) -> None:
        """Give a closed lead its day of closing; the date of an open one is when it is expected to close."""
        closed_on, expected_on = draft.get("closed_at"), draft.get("expected_close_date")
        label = self.labels.get("closed_at", "closed_at")
        if draft.get("status") in self.context.open_stages:
            if closed_on and expected_on:
                draft.withdraw("closed_at", label, "is a closing date, but the stage is an open one")
            elif closed_on:
                draft.set("expected_close_date", closed_on)
                draft.set("closed_at", None)
            return
        if closed_on and closed_on > self.today:
            draft.withdraw("closed_at", label, "is in the future")
            closed_on = None
        if not closed_on and self.is_close_date_actual and expected_on and expected_on <= self.today:
            closed_on = expected_on
        draft.set("closed_at", self.day_start(closed_on))

    @staticmethod
    def day_start(day: date | None) -> object:
        return start_of_agency_day(day) if day else None

    def check_loss(self, draft: RowDraft) -> None:
        """Keep loss reason and notes as plain text where the lead is not lost."""
        if draft.get("status") in self.context.lost_stages:
            return
        for name in ("loss_reason", "loss_notes"):
            if draft.get(name):
                draft.withdraw(name, self.labels.get(name, name), "is about a loss, but the stage is not a lost one")


def is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
