"""Fixtures of tests of leads."""

import pytest


@pytest.fixture
def own_storage(settings, tmp_path) -> None:
    """Store files in a folder of the test."""
    settings.MEDIA_ROOT = tmp_path / "files"
