"""Both sides of the scoring benchmark give the same result."""

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from bench.scoring import DAYS_LATER, time_rescore, time_update_by_hand
from tests.cast import make_user


@pytest.mark.django_db
def test_manual_update_writes_same_scores_as_ours():
    make_user("ann", "agent")
    call_command("seed", leads=400, verbosity=0)
    at = timezone.now() + DAYS_LATER
    with transaction.atomic():
        _, written, expected = time_update_by_hand(at)
        transaction.set_rollback(True)
    _, changed, found = time_rescore(at)
    assert written > 100
    assert (changed, found) == (written, expected)
