"""Of several people who decide at once, one wins and the others are told who."""

from collections.abc import Callable
from functools import partial
from threading import Barrier, Thread

import pytest
from django.db import connection

from crm.exceptions import ActionRefused
from leads.models import LeadStageHistory, Task
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions import approve, reject
from tests.cast import make_lead, make_suggestion, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*deeds: Callable[[], object]) -> list[str]:
    """Do every deed in a thread and a connection of its own; what was said to those that were refused."""
    start, told = Barrier(len(deeds)), []

    def run(deed: Callable[[], object]) -> None:
        try:
            start.wait(10)
            deed()
        except ActionRefused as refusal:
            told.append(str(refusal))
        finally:
            connection.close()

    threads = [Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return told


def reload(suggestion: Suggestion) -> Suggestion:
    """The suggestion as somebody else has it on the screen."""
    return Suggestion.objects.get(pk=suggestion.pk)


def test_two_approvals_add_one_task():
    suggestion, ann, bob = make_suggestion(), make_user("ann", "agent"), make_user("bob", "agent")
    mine, theirs = reload(suggestion), reload(suggestion)
    told = at_once(lambda: approve(mine, by=ann), lambda: approve(theirs, by=bob))
    winner = reload(suggestion).reviewed_by
    assert told == [f"The suggestion is already approved by {winner}."]
    assert Task.objects.count() == 1


def test_eight_approvals_move_lead_once():
    suggestion = make_suggestion(SuggestionType.CHANGE_STATUS, lead=make_lead())
    people = [make_user(f"agent{number}", "agent") for number in range(8)]
    told = at_once(*(partial(approve, reload(suggestion), by=person) for person in people))
    winner = reload(suggestion).reviewed_by
    assert told == [f"The suggestion is already approved by {winner}."] * 7
    assert LeadStageHistory.objects.filter(lead=suggestion.lead, from_status__isnull=False).count() == 1


def test_approval_and_rejection_leave_one_decision():
    suggestion, ann, bob = make_suggestion(), make_user("ann", "agent"), make_user("bob", "agent")
    mine, theirs = reload(suggestion), reload(suggestion)
    told = at_once(lambda: approve(mine, by=ann), lambda: reject(theirs, reason="Too early.", by=bob))
    stands = reload(suggestion)
    assert told == [f"The suggestion is already {stands.get_status_display().lower()} by {stands.reviewed_by}."]
    assert Task.objects.count() == (1 if stands.reviewed_by == ann else 0)
