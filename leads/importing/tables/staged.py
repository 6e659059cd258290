"""What the steps of an import need to know of its rows once they are staged."""

from dataclasses import dataclass, field

from django.db.backends.utils import CursorWrapper

from crm.models import User
from crm.records.activity import Actor
from leads.importing.columns import ImportPlan
from leads.importing.questions import Doubts
from leads.models import ImportBatch


@dataclass(frozen=True)
class StagedImport:
    """The rows of one import in the staging table, and who imports them."""

    cursor: CursorWrapper
    batch: ImportBatch
    actor: Actor
    plan: ImportPlan
    phone_region: str
    doubts: Doubts
    creates_clients: bool = False
    # Earlier imports of the same file.
    former: list[ImportBatch] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Return the custom field with the identifiers of the other system; empty if there is none."""
        return self.plan.key_field

    @property
    def user(self) -> User | None:
        return self.actor.user
