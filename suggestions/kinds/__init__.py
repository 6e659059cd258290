"""The kinds of suggestion that can be executed. A new kind is a module and a line here."""

from suggestions.kinds.base import FollowOn, Kind, OutwardKind, Payload
from suggestions.kinds.change_status import ChangeStatusKind
from suggestions.kinds.convert_lead import ConvertLeadKind
from suggestions.kinds.create_lead import CreateLeadKind
from suggestions.kinds.follow_up import FollowUpKind
from suggestions.kinds.link_thread import LinkThreadKind
from suggestions.kinds.pull_request import PullRequestKind
from suggestions.kinds.reply import ReplyKind
from suggestions.kinds.resolve_ticket import ResolveTicketKind
from suggestions.kinds.schedule_call import ScheduleCallKind
from suggestions.kinds.send_email import SendEmailKind
from suggestions.kinds.send_proposal import SendProposalKind
from suggestions.kinds.task import TaskKind

KINDS: dict[str, type[Kind]] = {
    kind.type: kind
    for kind in (
        TaskKind,
        ChangeStatusKind,
        CreateLeadKind,
        ConvertLeadKind,
        LinkThreadKind,
        ResolveTicketKind,
        FollowUpKind,
        ReplyKind,
        SendEmailKind,
        ScheduleCallKind,
        SendProposalKind,
        PullRequestKind,
    )
}


def offered_kinds() -> dict[str, type[Kind]]:
    """Return the kinds that can be suggested here: pull requests only where a forge is set."""
    return {type: kind for type, kind in KINDS.items() if kind.is_offered()}


__all__ = ["KINDS", "FollowOn", "Kind", "OutwardKind", "Payload", "offered_kinds"]
