"""What every test of conversations may use."""

import pytest

from inbox.models import Mailbox, Provider
from tests.inbox.mails import OURS


@pytest.fixture
def box(db) -> Mailbox:
    """A mailbox of ours, with nothing in it."""
    return Mailbox.objects.create(address=OURS, provider=Provider.IMPORT)
