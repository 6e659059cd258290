"""The rules that hold between the fields of an imported lead. Pure: no database."""

import re
from decimal import Decimal

from django.utils import timezone

from crm.records.local_time import agency_today
from leads.importing.cells import is_email_address, split_named_address
from leads.importing.columns import ImportPlan
from leads.importing.drafts import RowDraft, encode_json
from leads.importing.exceptions import RowRejected
from leads.importing.synonyms import plain_name
from leads.importing.tables.base import RowRules
from leads.importing.tables.leads.past import PastReader
from leads.importing.values.dates import as_moment, local_day
from leads.importing.values.parsers import ImportContext

# A lead without a name is called by the first of these.
NAME_SUBSTITUTES = ("company_name", "contact_email", "contact_phone")
# A date that was only expected is not the day a lead was closed.
EXPECTED_DATE_PATTERN = re.compile("expect|^est|estim|target|forecast|erwart|voraus|prevu|previst")
# How reports call the row below the last one: “Total”, “Grand Total: 300”, “Summe”.
TOTAL_PATTERN = re.compile(
    r"(grand |sub-?)?totals?( records| rows| count)?|record count|(gesamt)?summe|gesamt|total général|somme|suma"
    r"|totale|totaal|razem",
    re.IGNORECASE,
)
NUMBER_PATTERN = re.compile(r"[-+$€£\s]*\d[\d.,'%\s]*")
MAX_NAME_LENGTH = 200


class LeadRules(RowRules):
    """Complete the leads of one import, and resolve contradictions between their fields."""

    def __init__(self, plan: ImportPlan, context: ImportContext) -> None:
        super().__init__(plan, context)
        self.today, self.header = agency_today(), plan.header
        self.started_at = timezone.now().isoformat(timespec="seconds")
        close_date = plain_name(self.labels.get("expected_close_date", ""))
        self.is_close_date_actual = not EXPECTED_DATE_PATTERN.search(close_date)
        # The rows of closed leads without a day of closing. The database dates them today.
        self.undated_closings = 0
        self.past = PastReader(plan, context)

    def complete(self, draft: RowDraft) -> None:
        """Apply all rules to `draft`.

        Raises:
            RowRejected: the row says nothing of a person or a company.
        """
        draft.set_defaults()
        refuse_total(draft)
        split_name_and_address(draft, self.label("contact_name"))
        name_the_nameless(draft, "contact_name", NAME_SUBSTITUTES)
        past = self.past.close(draft)
        self.date_the_closing(draft)
        self.past.write_moves(draft, past)
        self.date_the_creation(draft)
        self.check_loss(draft)
        self.derive(draft)

    def date_the_closing(self, draft: RowDraft) -> None:
        """Give a closed lead its day of closing; the date of an open one is when it is expected to close."""
        closed, expected = draft.get("closed_at"), draft.get("expected_close_date")
        label = self.label("closed_at")
        if expected:
            draft.set("expected_close_date", local_day(expected))
        if draft.get("status") in self.context.open_stages:
            if closed and expected:
                draft.withdraw("closed_at", label, "is a closing date, but the stage is an open one")
            elif closed:
                draft.set("expected_close_date", local_day(closed))
            draft.set("closed_at", None)
            return
        if closed and local_day(closed) > self.today:
            draft.withdraw("closed_at", label, "is in the future")
            closed = None
        if not closed and self.is_close_date_actual and expected and local_day(expected) <= self.today:
            closed = expected
        draft.set("closed_at", as_moment(closed) if closed else None)
        self.undated_closings += closed is None

    def date_the_creation(self, draft: RowDraft) -> None:
        """Give a lead the moment when the other system created it, unless the row contradicts it."""
        created, closed = draft.get("created_at"), draft.get("closed_at")
        if not created:
            return
        label = self.label("created_at")
        if local_day(created) > self.today:
            draft.withdraw("created_at", label, "is in the future")
        elif closed and local_day(closed) < local_day(created):
            draft.withdraw("created_at", label, "is after the day of closing")
        else:
            draft.set("created_at", as_moment(created))

    def check_loss(self, draft: RowDraft) -> None:
        """Keep loss reason and notes as plain text where the lead is not lost."""
        if draft.get("status") in self.context.lost_stages:
            return
        for name in ("loss_reason", "loss_notes"):
            if draft.get(name):
                draft.withdraw(name, self.label(name), "is about a loss, but the stage is not a lost one")

    def derive(self, draft: RowDraft) -> None:
        """Set what follows from the values of the row: tier, signals, contact preferences, answers and openness."""
        score = draft.get("overall_score")
        draft.set("priority_tier", draft.get("tier_override") or self.context.policy.tier_for_score(score))
        draft.set("signals", self.imported_score_signals(score))
        draft.set("is_open", draft.get("status") in self.context.open_stages)
        for name in ("is_named", "has_stage", "has_type"):
            draft.set(name, getattr(draft, name))
        if draft.answers:
            draft.set("line_answers", encode_json(draft.answers))
        draft.set_preferences()

    def imported_score_signals(self, score: Decimal | None) -> str:
        """Return a JSON list with one signal for a `score` from the file, which fades like any other signal."""
        if score is None:
            return "[]"
        return f'[{{"type": "imported_score", "timestamp": "{self.started_at}", "weight": {score}}}]'

    def notices(self) -> tuple[str, ...]:
        """Return sentences about what the file left to the import."""
        if not self.undated_closings:
            return ()
        undated = self.undated_closings
        rows = "1 closed lead has" if undated == 1 else f"{undated:,} closed leads have"
        return (f"{rows} no day of closing in the file, so today counts. Map the column with that day to “closed at”.",)


def refuse_total(draft: RowDraft) -> None:
    """Refuse a row that adds up the rows above: one that says “Total” and has only numbers beside it."""
    word, _, count = next(filter(str.strip, draft.cells), "").partition(":")
    if not TOTAL_PATTERN.fullmatch(word.strip()):
        return
    _, *others = filter(None, map(str.strip, draft.cells))
    if all(map(NUMBER_PATTERN.fullmatch, filter(None, [count.strip(), *others]))):
        raise RowRejected("The row is a total of others, not a person or a company.")


def split_name_and_address(
    draft: RowDraft, label: str, name: str = "contact_name", email: str = "contact_email"
) -> None:
    """Read “Ava Stone (ava@example.com)” as a name and an address, if the row has no other address."""
    text = draft.get(name)
    if "@" not in text:
        return
    person, address = split_named_address(text)
    address = address or text
    if not is_email_address(address):
        return
    draft.set(name, person)
    # An address is no name that an update could give to a record.
    draft.is_named = person != address
    if not draft.get(email):
        draft.set(email, address)
    # Further people, or a second address of the same person.
    if text.count("@") > 1 or draft.get(email) != address:
        draft.keep_text(name, label, text)


def name_the_nameless(draft: RowDraft, name: str, substitutes: tuple[str, ...]) -> None:
    """Call a record without a name by the first of `substitutes` that the row has.

    Raises:
        RowRejected: it has none of them.
    """
    if draft.get(name):
        return
    substitute = next((value for field in substitutes if (value := draft.get(field))), "")
    if not substitute:
        raise RowRejected("The row has no name, company, address or phone.")
    draft.set(name, substitute[:MAX_NAME_LENGTH])
