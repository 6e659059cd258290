"""What a field of a payload may be chosen from: staff, stages, reasons."""

from collections.abc import Callable

from crm.models import User
from leads.models import LeadStatus, LossReason


def staff() -> dict[str, str]:
    people = User.objects.filter(is_active=True).order_by("first_name", "last_name", "username")
    return {person.username: str(person) for person in people}


def stages() -> dict[str, str]:
    return {stage.code: stage.label for stage in LeadStatus.objects.all()}


def loss_reasons() -> dict[str, str]:
    return dict(LossReason.choices)


# A field of a payload names one of these in its `json_schema_extra` as "choices".
SOURCES: dict[str, Callable[[], dict[str, str]]] = {
    "staff": staff,
    "stages": stages,
    "loss_reasons": loss_reasons,
}


class Names:
    """Every source as value → label, each read once for a whole screen."""

    def __init__(self) -> None:
        self.read: dict[str, dict[str, str]] = {}

    def of(self, source: str) -> dict[str, str]:
        if source not in self.read:
            self.read[source] = SOURCES[source]()
        return self.read[source]

    def label(self, source: str, value: str) -> str:
        """How people call `value`; itself where it is no longer to be chosen."""
        return self.of(source).get(value, value)
