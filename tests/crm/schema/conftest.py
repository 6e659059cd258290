"""Fixtures of tests of the schema that staff change."""

import pytest

from crm.models import User
from crm.schema.promotion import backfill, index_builds, patience, readers
from crm.schema.promotion import monitor as monitor_module
from tests.cast import make_user
from tests.crm.schema.promotions import drop_our_objects


@pytest.fixture
def theo(db) -> User:
    """A schema admin."""
    return make_user("theo", "schema admin")


@pytest.fixture
def no_indexes_left(transactional_db, monkeypatch):
    """Remove what promotions of a test have built: restoring the rows leaves it. Nobody else reads the columns."""
    monkeypatch.setattr(readers, "GRACE_SECONDS", 0)
    yield
    drop_our_objects()


@pytest.fixture
def short_pauses(monkeypatch):
    """Let a job wait for milliseconds where it would wait for seconds."""
    monkeypatch.setattr(patience, "FIRST_LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(monitor_module, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(index_builds, "ORPHAN_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(backfill, "LOCKED_ROWS_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(readers, "OPEN_PAUSE_SECONDS", 0.05)
