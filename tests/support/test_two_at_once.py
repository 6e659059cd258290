"""Two people at one ticket: one wins, the other is told, and nothing is lost."""

from functools import partial

import pytest

from crm.models import ActivityLog
from support.models import SupportTicket, TicketStatus
from support.transitions import note, resolve
from tests.cast import make_ticket, make_user
from tests.suggestions.test_two_people_at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
PEOPLE = 6


def again(ticket: SupportTicket) -> SupportTicket:
    """The ticket as somebody else has it on the screen."""
    return SupportTicket.objects.get(pk=ticket.pk)


def test_of_several_who_resolve_one_is_kept_and_the_others_are_told():
    ticket = make_ticket()
    people = [make_user(f"agent{number}", "agent") for number in range(PEOPLE)]
    told = at_once(*(partial(resolve, again(ticket), summary=f"By {person}", by=person) for person in people))
    assert told == [f"Ticket #{ticket.number} is resolved and cannot become resolved."] * (PEOPLE - 1)
    stands = again(ticket)
    lines = ActivityLog.objects.filter(target_id=ticket.pk, verb="resolved")
    assert stands.status == TicketStatus.RESOLVED
    assert stands.resolution_summary == f"By {lines.get().actor}"


def test_notes_written_at_once_are_all_kept():
    ticket = make_ticket()
    people = [make_user(f"agent{number}", "agent") for number in range(PEOPLE)]
    told = at_once(*(partial(note, again(ticket), f"From {person}", internal=True, by=person) for person in people))
    assert told == []
    assert {line["body"] for line in again(ticket).notes} == {f"From {person}" for person in people}
