"""The lock that a job keeps on a connection of its own."""

import pytest
from django.db import connection

from crm.runtime.job_queue import job_lock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sessions():
    made = [connection.copy() for _ in range(2)]
    yield made
    for one in made:
        one.close()


def test_a_second_job_waits_only_for_the_same_work_on_the_same_key(sessions):
    first, second = sessions
    with job_lock(first, "import", "a") as is_free:
        assert is_free
        for work, key, expected in (("import", "a", False), ("import", "b", True), ("undo", "a", True)):
            with job_lock(second, work, key) as is_free_for_second:
                assert is_free_for_second is expected


def test_the_lock_is_free_as_soon_as_the_block_ends_although_the_connection_stays(sessions):
    first, second = sessions
    with pytest.raises(RuntimeError), job_lock(first, "import", "a"):
        raise RuntimeError
    with job_lock(second, "import", "a") as is_free:
        assert is_free


def test_a_lock_that_was_not_free_is_not_given_back(sessions):
    first, second = sessions
    with job_lock(first, "import", "a"):
        with job_lock(second, "import", "a"):
            pass
        with job_lock(second, "import", "a") as is_free:
            assert not is_free


def test_a_lost_connection_ends_the_block_without_an_error_and_frees_the_lock(sessions):
    first, second = sessions
    with job_lock(first, "import", "a") as is_free:
        with first.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (session,) = cursor.fetchone()
        with second.cursor() as cursor:
            # It waits until the session has ended.
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [session])
            assert cursor.fetchone() == (True,)
        assert is_free
    with job_lock(second, "import", "a") as is_free:
        assert is_free
