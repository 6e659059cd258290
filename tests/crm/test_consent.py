"""What contact preferences allow."""

import pytest

from crm.records.consent import closed_channels

ALL = {"email", "phone", "sms"}


@pytest.mark.parametrize(
    ("communications", "closed", "closed_for_answers"),
    [
        ({}, set(), set()),
        ({"email": {"do_not_contact": True}}, {"email"}, {"email"}),
        ({"email": {"consent": False}}, {"email"}, set()),
        ({"email": {"consent": True}, "phone": {"do_not_contact": False}}, set(), set()),
        ({"phone": {"opted_out": True}, "sms": {"consent": False}}, {"phone", "sms"}, {"phone"}),
        ({"do_not_contact": True}, ALL, ALL),
        ({"consent": False}, ALL, set()),
        ({"do_not_call": True, "do_not_email": False}, {"phone"}, {"phone"}),
        ({"email": "no", "phone": None, "sms": [], "preferred": "email"}, set(), set()),
        ({"email": {"do_not_contact": "maybe", "consent": None}}, set(), set()),
    ],
)
def test_closed_channels(communications, closed, closed_for_answers):
    assert closed_channels(communications) == closed
    assert closed_channels(communications, is_answer=True) == closed_for_answers
