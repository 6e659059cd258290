"""Fixtures of tests of the schema that staff change."""

import pytest

from crm.models import User
from tests.cast import make_user
from tests.crm.schema.promotions import drop_our_objects


@pytest.fixture
def theo(db) -> User:
    """A schema admin."""
    return make_user("theo", "schema admin")


@pytest.fixture
def no_indexes_left(transactional_db):
    """Remove the indexes that a test has built: restoring the rows leaves them."""
    yield
    drop_our_objects()
