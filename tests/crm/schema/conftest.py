"""Fixtures of tests of the schema that staff change."""

import pytest

from crm.models import User
from crm.schema.promotion import readers
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
