"""The bench of scoring holds two ways against each other that come to the same."""

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from bench.scoring import LATER, by_hand, by_us
from tests.cast import make_user


@pytest.mark.django_db
def test_one_update_by_hand_writes_what_we_write():
    make_user("ann", "agent")
    call_command("seed", leads=400, verbosity=0)
    at = timezone.now() + LATER
    with transaction.atomic():
        _, written, expected = by_hand(at)
        transaction.set_rollback(True)
    _, changed, found = by_us(at)
    assert written > 100
    assert (changed, found) == (written, expected)
