"""Fixtures of all tests."""

import gc
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib import admin
from django.db import transaction
from django.template import Context, Template
from django.test import TransactionTestCase, override_settings, signals
from pydantic_ai import models as pydantic_ai_models

from crm.models import User
from crm.records.field_usage import buffer
from tests.cast import browser, make_user
from tests.smtp_server import SmtpSink, mail_server
from tests.table_cleanup import restore_seed_rows, save_seed_rows
from tests.template_database import migrated_database

# Tests of the counts of uses write them themselves.
buffer.max_age = float("inf")
# Nothing that is loaded to collect the tests is garbage.
gc.disable()
# Tests read the screens of the admin while they are collected, before any URL is.
admin.autodiscover()
# Python's defaults are 700, 10 and 10; the youngest objects are collected less often here.
GC_THRESHOLDS = (20_000, 20, 20)


def pytest_collection_finish() -> None:
    """Exempt what is loaded by now from garbage collection: every full collection would walk all of it."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(*GC_THRESHOLDS)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests: the last ones are shared out among the processes, so that all end together.

    Each of three processes begins with its own third of the list. The first migrates the database, so the others begin
    with the tests that need none; then the second has the browser's tests.
    """
    items.sort(key=lambda item: item.get_closest_marker("storm") is None and "end_to_end" not in item.path.parts)
    in_browser = [item for item in items if item.get_closest_marker("browser")]
    without = [item for item in items if not needs_database(item)]
    set_apart = {*in_browser, *without}
    others = [item for item in items if item not in set_apart]
    third, half = len(items) // 3, len(without) // 2
    first, others = others[:third], others[third:]
    second = [*without[:half], *in_browser]
    while others and len(second) < third:
        second.append(others.pop(0))
    items[:] = [*first, *second, *without[half:], *others]


def needs_database(item: pytest.Item) -> bool:
    fixtures = {"db", "transactional_db", "django_db_setup", "live_server"}
    return bool(item.get_closest_marker("django_db")) or not fixtures.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def django_db_setup(
    pytestconfig, django_test_environment, django_db_blocker, django_db_modify_db_settings
) -> Iterator[None]:
    """The database of the tests, in place of pytest-django's: migrated once, not in every process and every run."""
    database = migrated_database(rebuild=pytestconfig.getoption("create_db"))
    with django_db_blocker.unblock():
        database.__enter__()
    yield
    with django_db_blocker.unblock():
        database.__exit__(None, None, None)


@pytest.fixture(autouse=True, scope="session")
def contexts_of_pages_only(django_test_environment) -> Iterator[None]:
    """Keep `response.context` for the template of a page; Django also copies it for each of its hundred includes."""

    def render(template: Template, context: Context) -> str:
        if context.template is template:
            signals.template_rendered.send(sender=template, template=template, context=context)
        return template.nodelist.render(context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "_render", render)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_passwords(django_test_environment) -> Iterator[None]:
    """Hash passwords fast; the cast logs in without one."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(autouse=True, scope="session")
def no_real_model(django_test_environment) -> Iterator[None]:
    """Keep tests from calling a paid model whatever the environment says; loopback models set their own URL."""
    no_model = override_settings(AI_MODEL="", AI_URL="", AI_KEY="", AI_PROVIDER="")
    with no_model, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydantic_ai_models, "ALLOW_MODEL_REQUESTS", False)
        yield


@pytest.fixture(scope="module")
def module_transaction(django_db_setup, django_db_blocker) -> Iterator[None]:
    """A transaction around the tests of a module, for records that they share and do not commit."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True, scope="session")
def seeds_between_tests() -> Iterator[None]:
    """Restore the database after a test that commits: stages, lines, roles, and nothing else."""

    def begin(case: type[TransactionTestCase]) -> None:
        save_seed_rows()

    def end(case: TransactionTestCase) -> None:
        restore_seed_rows()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_setup", classmethod(begin))
        patch.setattr(TransactionTestCase, "_fixture_teardown", end)
        yield


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


@pytest.fixture
def smtp_sink(settings) -> Iterator[SmtpSink]:
    """A mail server that keeps the emails it accepts."""
    with mail_server(settings) as sink:
        yield sink


@pytest.fixture(scope="session")
def file_folders(tmp_path_factory, django_test_environment) -> Iterator[Iterator[Path]]:
    """Paths of folders, a new one for each test; few tests store a file, so none is made before that."""
    root = tmp_path_factory.mktemp("files")
    with override_settings(MEDIA_ROOT=root / "shared"):  # for what tests of a module share
        yield (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def files_of_tests(settings, file_folders) -> None:
    """Store attachments in a temporary folder of the test."""
    settings.MEDIA_ROOT = next(file_folders)
