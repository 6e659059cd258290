"""The benchmark check that recomputes contact dates recognises right and wrong dates."""

from datetime import timedelta

import pytest

from bench import dates
from inbox.incoming.arrivals import Arrival
from inbox.incoming.transitions import receive_many
from leads.models import Lead
from tests.cast import make_lead
from tests.inbox.raw_emails import LEE, OURS, raw_email


@pytest.fixture
def lead(box) -> Lead:
    lead = make_lead(contact_email=LEE)
    mails = [raw_email("a"), raw_email("b", by=OURS, to=LEE, answers="a", day=2), raw_email("c", day=9, List_Id="<x>")]
    receive_many(box, [Arrival(str(number), one) for number, one in enumerate(mails)])
    lead.refresh_from_db()
    return lead


def date_check_result(lead: Lead) -> str:
    return next(dates.compare_leads([lead]))[2]


def test_received_messages_match_counted_dates(lead):
    assert date_check_result(lead) == dates.SAME
    assert dates.find_last_contact(lead).is_theirs is False


@pytest.mark.parametrize(
    ("days", "turned", "said"), [(-1, False, dates.WRONG), (0, True, dates.WRONG), (1, False, dates.NEWER)]
)
def test_changed_date_or_reply_flag_is_detected(lead, days, turned, said):
    lead.last_contact_at += timedelta(days=days)
    lead.awaiting_reply ^= turned
    assert date_check_result(lead) == said


def test_lead_with_messages_but_no_contact_date_is_wrong(lead):
    lead.last_contact_at = None
    assert date_check_result(lead) == dates.WRONG
