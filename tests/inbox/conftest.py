"""Fixtures for the inbox tests."""

from collections.abc import Iterator

import pytest

from inbox.models import Mailbox, Provider
from tests import dovecot
from tests.inbox.imap_mailboxes import ANN, BOB, SECRET
from tests.inbox.raw_emails import OURS


@pytest.fixture
def box(db) -> Mailbox:
    """An empty mailbox of the agency."""
    return Mailbox.objects.create(address=OURS, provider=Provider.IMPORT)


@pytest.fixture(scope="session")
def running() -> Iterator[dovecot.Dovecot]:
    with dovecot.start_dovecot({ANN: SECRET, BOB: SECRET}, tls=True) as server:
        yield server


@pytest.fixture
def server(running) -> dovecot.Dovecot:
    """An IMAP server with empty mailboxes, for tests marked `dovecot.requires_dovecot`."""
    running.clear_mailboxes()
    return running
