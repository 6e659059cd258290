"""Which columns of a file were known when its leads arrived: answers of the user, and evidence from the rows."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db import connection

from crm.exceptions import InvalidInput
from crm.models import User
from crm.records.activity import Actor
from leads.importing.columns import ImportPlan, column_index
from leads.importing.exceptions import InvalidImport
from leads.importing.tables.base import ImportTable
from leads.importing.values.steps import OVERFLOW_FIELDS
from leads.models import OPEN_CATEGORIES, FeatureStanding, PredictionFeature, StageCategory
from leads.models.prediction import DECIDED_STANDINGS
from leads.prediction.bins import single_feature_auc
from leads.prediction.feature_transitions import decide_features
from leads.prediction.known_at_arrival import MIN_COMPARED_LEADS, later_evidence
from leads.prediction.snapshots import FEATURES_BY_FIELD, custom_feature, feature_value

# The import calls the fields that become `communications` by these names.
FEATURES_BY_CONSENT = {
    "do_not_contact": ("no email", "no phone", "no sms"),
    "do_not_email": ("no email",),
    "do_not_call": ("no phone",),
    "do_not_text": ("no sms",),
    "email_consent": ("no email",),
    "phone_consent": ("no phone",),
    "sms_consent": ("no sms",),
}
MAX_EVIDENCE_ROWS, MAX_LISTED_COLUMNS = 10_000, 40
STAGED_ROWS_SQL = """
SELECT category, custom_fields FROM imported_rows JOIN lead_statuses ON code = status_id ORDER BY number LIMIT %s
"""


@dataclass(frozen=True)
class ArrivalAnswers:
    """The answers for the features that the columns of a file determine, and the columns without an answer."""

    answers: Mapping[str, str]
    # The features of each column that are neither confirmed nor rejected, by the name of the column.
    unconfirmed: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, table: ImportTable, plan: ImportPlan, known: Iterable[str], later: Iterable[str]) -> "ArrivalAnswers":
        """Return the answers of a user who named columns; predictions are about leads alone.

        Raises:
            InvalidInput: a column does not exist or is in both lists, or the file holds no leads.
        """
        if table.has_stages:
            return cls.from_columns(plan, known, later)
        if [*known, *later]:
            raise InvalidInput("Only columns of leads are known at arrival or later. Remove --known and --later.")
        return cls({}, {})

    @classmethod
    def from_columns(cls, plan: ImportPlan, known: Iterable[str], later: Iterable[str]) -> "ArrivalAnswers":
        """Return the answers of a user who named columns.

        Raises:
            InvalidInput: a column does not exist, or is in both lists.
        """
        standing_by_index: dict[int, str] = {}
        for standing, columns in ((FeatureStanding.KNOWN, known), (FeatureStanding.LATER, later)):
            for name in columns:
                index = column_index(name, plan.header)
                if standing_by_index.setdefault(index, standing) != standing:
                    raise InvalidImport(
                        f"The column “{name}” cannot be known at arrival and recorded later.",
                        screen="Choose one of them.",
                        command="Remove it from --known or from --later.",
                    )
        answers: dict[str, str] = {}
        for index, standing in standing_by_index.items():
            for feature in features_of_column(plan, index):
                # A feature made of several columns was known only if all of them were.
                answers[feature] = standing if answers.get(feature) != FeatureStanding.LATER else FeatureStanding.LATER
        decided = set(PredictionFeature.objects.filter(standing__in=DECIDED_STANDINGS).values_list("name", flat=True))
        features = {name: features_of_column(plan, index) for index, name in enumerate(plan.header)}
        unconfirmed = {name: ones for name, ones in features.items() if {*ones}.difference(answers, decided)}
        return cls(answers, unconfirmed)

    def save(self, *, by: Actor | User, source: str) -> None:
        """Record the answers; `source` is the name of the file."""
        if self.answers:
            decide_features(self.answers, by=by, source=source)

    def describe(self) -> Iterator[str]:
        """Yield what the staged rows suggest of the unconfirmed columns, one line each, after a headline."""
        if not self.unconfirmed:
            return
        unlisted = len(self.unconfirmed) - MAX_LISTED_COLUMNS
        more = f" and {unlisted} more" if unlisted > 0 else ""
        yield (
            "Not used to predict until confirmed (--known, or --later if recorded after arrival): "
            f"{', '.join(list(self.unconfirmed)[:MAX_LISTED_COLUMNS])}{more}."
        )
        for name, evidence in staged_evidence(self.unconfirmed).items():
            yield f"  {name}: probably recorded later. {' '.join(evidence)}"


def features_of_column(plan: ImportPlan, index: int) -> tuple[str, ...]:
    """Return the features that a column of the file determines; none for a field that predictions do not read."""
    custom = plan.custom_columns.get(index)
    # A further column of a field fills the field in some rows and is a custom field in the others.
    features = [] if custom is None else [custom_feature(custom)]
    filled = {*plan.columns, *plan.alternatives}
    for field in filled:
        if index in plan.columns_of(field):
            features += (FEATURES_BY_FIELD | FEATURES_BY_CONSENT).get(field, ())
            # A text that is no value of the field goes to the field beside it.
            if (overflow := OVERFLOW_FIELDS.get(field)) and overflow not in {*filled, *plan.templates}:
                features += FEATURES_BY_FIELD.get(overflow, ())
    return tuple(sorted(set(features)))


def staged_evidence(columns: Iterable[str]) -> dict[str, list[str]]:
    """Return for each of `columns` what the staged rows say for a recording after arrival; omit those without any."""
    with connection.cursor() as cursor:
        cursor.execute(STAGED_ROWS_SQL, [MAX_EVIDENCE_ROWS])
        staged = [(category, filled_cells(json.loads(cells))) for category, cells in cursor.fetchall()]
    ended = [
        (category == StageCategory.WON, row)
        for category, row in staged
        if category in (StageCategory.WON, StageCategory.LOST)
    ]
    won, closed = [is_won for is_won, _ in ended], [row for _, row in ended]
    open_leads = [row for category, row in staged if category in OPEN_CATEGORIES]
    has_outcomes = MIN_COMPARED_LEADS <= sum(won) <= len(won) - MIN_COMPARED_LEADS
    evidence = {
        name: later_evidence(
            name,
            auc=single_feature_auc(closed, won, name) if has_outcomes else 0.5,
            closed=closed,
            open_leads=open_leads,
        )
        for name in columns
    }
    return {name: sentences for name, sentences in evidence.items() if sentences}


def filled_cells(cells: dict[str, object]) -> dict[str, object]:
    values = {name: feature_value(value) for name, value in cells.items()}
    return {name: value for name, value in values.items() if value is not None}


def split_columns(texts: Iterable[str]) -> list[str]:
    """Return the columns that options such as `--known 'Origin,"City, state"'` name."""
    return [name.strip() for row in csv.reader(texts, skipinitialspace=True) for name in row if name.strip()]
