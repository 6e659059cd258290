"""The kinds of suggestion that can be carried out. A new one is a module and a line here."""

from suggestions.kinds.base import FollowOn, Kind, OutwardKind, Payload
from suggestions.kinds.change_status import ChangeStatusKind
from suggestions.kinds.task import TaskKind

KINDS: dict[str, type[Kind]] = {kind.type: kind for kind in (TaskKind, ChangeStatusKind)}

__all__ = ["KINDS", "FollowOn", "Kind", "OutwardKind", "Payload"]
