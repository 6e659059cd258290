"""Looking at a suggestion later; its status stays."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.screens.record_forms import later_times
from suggestions.models import Suggestion, SuggestionStatus
from suggestions.transitions import approve, reject, snooze
from tests.cast import make_suggestion


def in_hours(hours: int) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def test_snoozed_suggestion_is_hidden_until_due(ann):
    suggestion = snooze(make_suggestion(), in_hours(2), by=ann)
    assert suggestion.status == SuggestionStatus.PENDING
    assert not Suggestion.objects.awaiting_decision(timezone.now()).exists()
    assert Suggestion.objects.awaiting_decision(in_hours(3)).get() == suggestion


def test_snoozed_suggestion_can_be_decided(ann):
    suggestion = snooze(make_suggestion(), in_hours(2), by=ann)
    assert approve(suggestion, by=ann).snoozed_until is None


def test_snooze_into_past_is_refused(ann):
    with pytest.raises(InvalidInput, match="a time in the future"):
        snooze(make_suggestion(), in_hours(-1), by=ann)


def test_snooze_beyond_expiry_is_refused(ann):
    with pytest.raises(InvalidInput, match="It expires on .*: decide it before"):
        snooze(make_suggestion(expires_at=in_hours(1)), in_hours(2), by=ann)


def test_decided_suggestion_cannot_be_snoozed(ann, bob):
    suggestion = reject(make_suggestion(), reason="No.", by=ann)
    with pytest.raises(IllegalTransition, match="already rejected by Ann"):
        snooze(suggestion, in_hours(2), by=bob)


def test_viewer_cannot_snooze(vera):
    with pytest.raises(NotPermitted, match="may not decide"):
        snooze(make_suggestion(), in_hours(2), by=vera)


@pytest.mark.parametrize("day", range(1, 8))
def test_next_monday_is_the_coming_monday(day):
    now = timezone.make_aware(datetime(2026, 6, day, 15))
    monday = later_times(now)["Next Monday"]
    assert (monday.weekday(), monday.hour) == (0, 9)
    assert timedelta(0) < monday - now <= timedelta(days=7)
