"""Looking at a suggestion later; its status stays."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from suggestions.models import Suggestion, SuggestionStatus
from suggestions.screens.action_forms import moments
from suggestions.transitions import approve, reject, snooze
from tests.cast import make_suggestion


def in_hours(hours: int) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def test_it_is_hidden_until_then(ann):
    suggestion = snooze(make_suggestion(), in_hours(2), by=ann)
    assert suggestion.status == SuggestionStatus.PENDING
    assert not Suggestion.objects.waiting(timezone.now()).exists()
    assert Suggestion.objects.waiting(in_hours(3)).get() == suggestion


def test_a_snoozed_one_can_still_be_decided(ann):
    suggestion = snooze(make_suggestion(), in_hours(2), by=ann)
    assert approve(suggestion, by=ann).snoozed_until is None


def test_not_into_the_past(ann):
    with pytest.raises(BadInput, match="a time in the future"):
        snooze(make_suggestion(), in_hours(-1), by=ann)


def test_not_beyond_its_expiry(ann):
    with pytest.raises(BadInput, match="It expires on .*: decide it before"):
        snooze(make_suggestion(expires_at=in_hours(1)), in_hours(2), by=ann)


def test_not_once_it_is_decided(ann, bob):
    suggestion = reject(make_suggestion(), reason="No.", by=ann)
    with pytest.raises(IllegalMove, match="already rejected by Ann"):
        snooze(suggestion, in_hours(2), by=bob)


def test_not_by_a_viewer(vera):
    with pytest.raises(NotAllowed, match="may not decide"):
        snooze(make_suggestion(), in_hours(2), by=vera)


@pytest.mark.parametrize("day", range(1, 8))
def test_next_monday_is_the_first_one_to_come(day):
    now = timezone.make_aware(datetime(2026, 6, day, 15))
    monday = moments(now)["Next Monday"]
    assert (monday.weekday(), monday.hour) == (0, 9)
    assert timedelta(0) < monday - now <= timedelta(days=7)
