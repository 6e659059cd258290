"""Of several people who decide at once, one wins and the others are told who."""

from collections.abc import Callable
from functools import partial
from threading import Barrier, Thread

import pytest
from django.db import connection

from crm.exceptions import Refused
from leads.models import LeadStageHistory, Task
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions import approve, reject
from tests.cast import make_lead, make_suggestion, make_user

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def at_once(*deeds: Callable[[], object]) -> list[str]:
    """Do every deed in a thread and a connection of its own; what was said to those that were refused."""
    start, told = Barrier(len(deeds)), []

    def run(deed: Callable[[], object]) -> None:
        try:
            start.wait(10)
            deed()
        except Refused as refusal:
            told.append(str(refusal))
        finally:
            connection.close()

    threads = [Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return told


def again(suggestion: Suggestion) -> Suggestion:
    """The suggestion as somebody else has it on the screen."""
    return Suggestion.objects.get(pk=suggestion.pk)


def test_two_who_approve_make_one_task():
    suggestion, ann, bob = make_suggestion(), make_user("ann", "agent"), make_user("bob", "agent")
    mine, theirs = again(suggestion), again(suggestion)
    told = at_once(lambda: approve(mine, by=ann), lambda: approve(theirs, by=bob))
    winner = again(suggestion).reviewed_by
    assert told == [f"The suggestion is already approved by {winner}."]
    assert Task.objects.count() == 1


def test_eight_who_approve_move_the_lead_once():
    suggestion = make_suggestion(SuggestionType.CHANGE_STATUS, lead=make_lead())
    people = [make_user(f"agent{number}", "agent") for number in range(8)]
    told = at_once(*(partial(approve, again(suggestion), by=person) for person in people))
    winner = again(suggestion).reviewed_by
    assert told == [f"The suggestion is already approved by {winner}."] * 7
    assert LeadStageHistory.objects.filter(lead=suggestion.lead, from_status__isnull=False).count() == 1


def test_one_who_approves_and_one_who_rejects_leave_one_decision():
    suggestion, ann, bob = make_suggestion(), make_user("ann", "agent"), make_user("bob", "agent")
    mine, theirs = again(suggestion), again(suggestion)
    told = at_once(lambda: approve(mine, by=ann), lambda: reject(theirs, reason="Too early.", by=bob))
    stands = again(suggestion)
    assert told == [f"The suggestion is already {stands.get_status_display().lower()} by {stands.reviewed_by}."]
    assert Task.objects.count() == (1 if stands.reviewed_by == ann else 0)
