"""The trial that counts contact dates by hand tells right from wrong."""

from datetime import timedelta

import pytest

from bench import dates
from inbox.incoming.arrivals import Arrival
from inbox.incoming.transitions import receive_many
from leads.models import Lead
from tests.cast import make_lead
from tests.inbox.mails import LEE, OURS, raw


@pytest.fixture
def lead(box) -> Lead:
    lead = make_lead(contact_email=LEE)
    mails = [raw("a"), raw("b", by=OURS, to=LEE, answers="a", day=2), raw("c", day=9, List_Id="<x>")]
    receive_many(box, [Arrival(str(number), one) for number, one in enumerate(mails)])
    lead.refresh_from_db()
    return lead


def verdict(lead: Lead) -> str:
    return next(dates.compared([lead]))[2]


def test_what_was_taken_in_is_as_the_messages_say(lead):
    assert verdict(lead) == dates.SAME
    assert dates.counted(lead).theirs is False


@pytest.mark.parametrize(
    ("days", "turned", "said"), [(-1, False, dates.WRONG), (0, True, dates.WRONG), (1, False, dates.NEWER)]
)
def test_another_date_or_turn_is_noticed(lead, days, turned, said):
    lead.last_contact_at += timedelta(days=days)
    lead.awaiting_reply ^= turned
    assert verdict(lead) == said


def test_a_lead_with_messages_and_no_date_is_wrong(lead):
    lead.last_contact_at = None
    assert verdict(lead) == dates.WRONG
