"""What a field of a payload may be chosen from (staff, stages, reasons), and how the records it names are called."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.utils.text import Truncator

from crm.models import Client, User
from inbox.models import Thread
from inbox.models.email_template import EmailTemplate
from leads.models import InsuranceType, Lead, LeadStatus, LossReason, Source
from support.models import SupportTicket

# Characters of the name of a record; conversations are called as outsiders like.
LONGEST_NAME = 120


def staff() -> dict[str, str]:
    people = User.objects.filter(is_active=True).order_by("first_name", "last_name", "username")
    return {person.username: str(person) for person in people}


def stages() -> dict[str, str]:
    return {stage.code: stage.label for stage in LeadStatus.objects.all()}


def loss_reasons() -> dict[str, str]:
    return dict(LossReason.choices)


def lead_sources() -> dict[str, str]:
    return dict(Source.choices)


def lines() -> dict[str, str]:
    return {line.code: line.name for line in InsuranceType.objects.filter(is_active=True).order_by("name")}


def templates() -> dict[str, str]:
    return {str(template.pk): template.name for template in EmailTemplate.objects.in_use()}


# A field of a payload names one of these in its `json_schema_extra` as "choices".
SOURCES: dict[str, Callable[[], dict[str, str]]] = {
    "staff": staff,
    "stages": stages,
    "loss_reasons": loss_reasons,
    "lead_sources": lead_sources,
    "lines": lines,
    "templates": templates,
}
# A field that holds the key of a record names one of these as "record".
RECORDS: dict[str, type[Model]] = {"thread": Thread, "lead": Lead, "client": Client, "ticket": SupportTicket}


class Names:
    """Every source as value → label, each read once for a whole screen."""

    def __init__(self) -> None:
        self.read: dict[str, dict[str, str]] = {}
        self.met: dict[tuple[str, str], str] = {}

    def of(self, source: str) -> dict[str, str]:
        if source not in self.read:
            self.read[source] = SOURCES[source]()
        return self.read[source]

    def label(self, source: str, value: str) -> str:
        """How people call `value`; itself where it is no longer to be chosen."""
        return self.of(source).get(value, value)

    def record(self, kind: str, key: Any) -> str:
        """How the record of `kind` with `key` is called, deleted or not, short enough for a sentence.

        Says that there is none where there is none.
        """
        wanted = (kind, str(key))
        if wanted not in self.met:
            found = RECORDS[kind].everything.filter(pk=key).first()
            none = f"a {RECORDS[kind]._meta.verbose_name} that no longer exists"
            self.met[wanted] = Truncator(found).chars(LONGEST_NAME) if found else none
        return self.met[wanted]
