"""The choices of payload fields (staff, stages, loss reasons), and the names of the records they refer to."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.utils.text import Truncator

from crm.models import Client, ClientType, User
from crm.records.base import Record
from inbox.models import Thread
from inbox.models.email_template import EmailTemplate
from leads.models import InsuranceType, Lead, LeadStatus, LossReason, Source
from suggestions.models import SuggestionType
from support.models import SupportTicket

# Characters of a record name: the subject of a conversation can be of any length.
MAX_RECORD_NAME_LENGTH = 120
# What a follow-up can lead to; what is about no lead or client, or about itself, is left out.
NEXT_STEP_TYPES = tuple(
    type
    for type in SuggestionType
    if type
    not in {
        SuggestionType.FOLLOW_UP,
        SuggestionType.PR,
        SuggestionType.CREATE_LEAD,
        SuggestionType.CONVERT_LEAD,
        SuggestionType.LINK_THREAD,
    }
)


def staff_choices() -> dict[str, str]:
    people = User.objects.filter(is_active=True).order_by("first_name", "last_name", "username")
    return {person.username: str(person) for person in people}


def lead_stage_choices() -> dict[str, str]:
    return {stage.code: stage.label for stage in LeadStatus.objects.all()}


def loss_reason_choices() -> dict[str, str]:
    return dict(LossReason.choices)


def lead_source_choices() -> dict[str, str]:
    return dict(Source.choices)


def client_type_choices() -> dict[str, str]:
    return dict(ClientType.choices)


def insurance_line_choices() -> dict[str, str]:
    return {line.code: line.name for line in InsuranceType.objects.filter(is_active=True).order_by("name")}


def email_template_choices() -> dict[str, str]:
    return {str(template.pk): template.name for template in EmailTemplate.objects.in_use()}


def next_step_choices() -> dict[str, str]:
    return {str(type): label for type, label in SuggestionType.choices if type in NEXT_STEP_TYPES}


# A field of a payload names one of these in its `json_schema_extra` as "choices".
CHOICE_SOURCES: dict[str, Callable[[], dict[str, str]]] = {
    "staff": staff_choices,
    "stages": lead_stage_choices,
    "loss_reasons": loss_reason_choices,
    "lead_sources": lead_source_choices,
    "lines": insurance_line_choices,
    "client_types": client_type_choices,
    # Those of one suggestion: `Kind.choices` returns them.
    "matching_clients": dict,
    "templates": email_template_choices,
    "next_steps": next_step_choices,
}
# A field that holds the key of a record names one of these as "record".
NAMED_RECORD_MODELS: dict[str, type[Model]] = {
    "thread": Thread,
    "lead": Lead,
    "client": Client,
    "ticket": SupportTicket,
}


class LabelCache:
    """The labels of every source by value, each read once for a whole screen."""

    def __init__(self, user: User | None = None) -> None:
        # Who reads the labels; a record that this user may not see is not named.
        self.user = user
        self.choices: dict[str, dict[str, str]] = {}
        self.record_labels: dict[tuple[str, str], str] = {}

    def load_choices(self, source: str) -> dict[str, str]:
        if source not in self.choices:
            self.choices[source] = CHOICE_SOURCES[source]()
        return self.choices[source]

    def label(self, source: str, value: str) -> str:
        """Return the label of `value`, or `value` itself if it is no longer a choice."""
        return self.load_choices(source).get(value, value)

    def record_label(self, kind: str, key: Any) -> str:
        """Return the name of the record of `kind` with `key`, deleted or not, short enough for a sentence."""
        key_pair = (kind, str(key))
        if key_pair not in self.record_labels:
            found = NAMED_RECORD_MODELS[kind].everything.filter(pk=key).first()
            missing_label = f"a {NAMED_RECORD_MODELS[kind]._meta.verbose_name} that no longer exists"
            self.record_labels[key_pair] = self.name_of(found) if found else missing_label
        return self.record_labels[key_pair]

    def name_of(self, record: Record) -> str:
        """Return the name of `record` as the reader may see it, short enough for a sentence."""
        name = str(record) if self.user is None else record.name_for(self.user)
        return Truncator(name).chars(MAX_RECORD_NAME_LENGTH)
