"""The shape of a promotion: what an index, a column and a table have in common for the job and the screens."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from crm.models import SchemaChange
from crm.schema.promotion.monitor import ChangeMonitor


class Promotion(ABC):
    """How one decision about a key is carried out, taken back and checked.

    Every step looks at what the database has, so that a job after a crash goes on where the last one was. The methods
    run outside of a transaction.
    """

    # What the page of a request says: before the job, once applied, and when nothing is left.
    plan_text: ClassVar[str]
    applied_text: ClassVar[str] = ""
    undone_text: ClassVar[str]

    def __init__(self, change: SchemaChange) -> None:
        self.change = change

    @classmethod
    @abstractmethod
    def check_decision(cls, change: SchemaChange) -> str:
        """Return the kind by which the values of the key compare, empty if they do not, before it is decided.

        Raises:
            InvalidInput: the decision makes no sense for this key.
            IllegalTransition: the key has what is decided already.
        """

    @abstractmethod
    def carry_out(self, monitor: ChangeMonitor) -> None:
        """Build what is missing. The change is marked as applied after this, and filters use it from then on.

        Raises:
            ChangeStopped: a person paused or undid the change.
        """

    @abstractmethod
    def take_back(self, monitor: ChangeMonitor) -> None:
        """Remove what the promotion has made, as far as it came. New requests do not use it any more.

        Raises:
            ChangeStopped: a person stopped it.
        """

    def clean_up(self, monitor: ChangeMonitor) -> None:  # noqa: B027
        """Remove what a paused job left, if it costs every write and serves no query."""

    @abstractmethod
    def problems(self) -> Iterable[str]:
        """Return what is not as it should be of an applied change, as parts of sentences: "the index x is missing"."""

    @property
    @abstractmethod
    def object_names(self) -> frozenset[str]:
        """The names of everything that the promotion makes in the database, there or not."""

    @classmethod
    @abstractmethod
    def find_objects(cls) -> Iterable[tuple[str, str]]:
        """Return noun and name of each object in the database that promotions of this class have made."""

    @property
    def index_names(self) -> tuple[str, ...]:
        """The names of the indexes."""
        return ()

    @property
    def sized_names(self) -> tuple[str, ...]:
        """The names of what takes room in the database, of which the page of an applied change shows the size."""
        return self.index_names

    @property
    def named_parts(self) -> dict[str, tuple[str, ...]]:
        """What the page of an applied change names, by label."""
        return {"Indexes": self.index_names}
