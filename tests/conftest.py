"""What every test may use."""

import pytest

from crm.models import User
from tests.cast import browser, make_user


@pytest.fixture
def ann(db) -> User:
    """An agent."""
    return make_user("ann", "agent")


@pytest.fixture
def bob(db) -> User:
    """Another agent."""
    return make_user("bob", "agent")


@pytest.fixture
def max(db) -> User:
    """Their manager."""
    return make_user("max", "manager")


@pytest.fixture
def vera(db) -> User:
    """A viewer."""
    return make_user("vera", "viewer")


@pytest.fixture
def stranger(db) -> User:
    """A member of staff without a role."""
    return make_user("stranger")


@pytest.fixture
def ada(db) -> User:
    """An administrator."""
    return make_user("ada", "administrator")


@pytest.fixture
def as_ann(ann):
    return browser(ann)


@pytest.fixture
def as_max(max):
    return browser(max)
