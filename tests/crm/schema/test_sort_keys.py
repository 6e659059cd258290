"""The sort keys of custom fields: by kind, never an error and never null, whatever is stored."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection

from tests.crm.schema.promotions import make_field

pytestmark = pytest.mark.django_db
NONE = Decimal("-Infinity")
LONG = "x" * 500
KEY = "0190b2c4-7a1e-7c3d-9f00-0123456789ab"


@pytest.mark.parametrize(
    ("function", "stored", "key"),
    [
        ("json_number_key", "10", 10),
        ("json_number_key", "10.50", Decimal("10.5")),
        ("json_number_key", "1e400", Decimal("1e400")),
        ("json_number_key", "1e2000", NONE),
        ("json_number_key", '"10"', NONE),
        ("json_number_key", '"10 "', NONE),
        ("json_number_key", '"NaN"', NONE),
        ("json_number_key", "null", NONE),
        ("json_number_key", '[10, {"a": 1}]', NONE),
        ("json_text_key", '"Ärger "', "ärger "),
        ("json_text_key", f'"{LONG}"', LONG[:200]),
        ("json_text_key", "10.0", "10"),
        ("json_text_key", "true", "true"),
        ("json_text_key", "null", ""),
        ("json_text_key", '{"a": 1}', ""),
        ("json_date_key", '"2026-02-01"', date(2026, 2, 1)),
        ("json_date_key", '"2024-02-29"', date(2024, 2, 29)),
        ("json_date_key", '"2026-02-29"', date.min),
        ("json_date_key", '"0000-02-01"', date.min),
        ("json_date_key", '"2026-13-01"', date.min),
        ("json_date_key", '"2026-02-01T10:00:00+00:00"', date.min),
        ("json_date_key", '"令和6年1月1日"', date.min),
        ("json_date_key", '"01.02.2026"', date.min),
        ("json_date_key", "20260201", date.min),
        ("json_date_time_key", '"2026-02-01T10:00:00+00:00"', datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("json_date_time_key", '"2026-02-01T10:00:00.25-01:30"', datetime(2026, 2, 1, 11, 30, 0, 250_000, tzinfo=UTC)),
        ("json_date_time_key", '"2026-02-01 10:00Z"', datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("json_date_time_key", '"2026-02-01"', datetime(2026, 2, 1, tzinfo=UTC)),
        ("json_date_time_key", '"2026-02-01T25:00:00+00:00"', datetime.min.replace(tzinfo=UTC)),
        ("json_date_time_key", '"0001-01-01T00:00+15:00"', datetime.min.replace(tzinfo=UTC)),
        ("json_date_time_key", '"9999-12-31T23:59:59-00:01"', datetime.min.replace(tzinfo=UTC)),
        ("json_date_time_key", '"9999-12-31T23:59:59Z"', datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("json_date_time_key", "null", datetime.min.replace(tzinfo=UTC)),
        ("json_yes_no_key", "true", 1),
        ("json_yes_no_key", "false", 0),
        ("json_yes_no_key", '"true"', -1),
        ("json_yes_no_key", "null", -1),
        ("json_uuid_key", f'"{KEY.upper()}"', UUID(KEY)),
        ("json_uuid_key", f'"{{{KEY}}}"', UUID(int=0)),
        ("json_uuid_key", f'"{KEY}\\n"', UUID(int=0)),
        ("json_uuid_key", f'["{KEY}"]', UUID(int=0)),
        ("json_uuid_key", "5", UUID(int=0)),
    ],
)
def test_value_that_does_not_fit_has_the_lowest_key(function, stored, key):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(jsonb_build_object('k', %s::jsonb), 'k')", [stored])
        assert cursor.fetchone()[0] == key
        cursor.execute(f"SELECT {function}('{{}}'::jsonb, 'k') = {function}('{{\"k\": null}}'::jsonb, 'k')")
        assert cursor.fetchone()[0]


def test_a_text_that_is_no_key_is_null():
    with connection.cursor() as cursor:
        cursor.execute("SELECT json_uuid(jsonb_build_object('k', %s::text), 'k')", [KEY])
        assert cursor.fetchone()[0] == UUID(KEY)
        cursor.execute("SELECT json_uuid('{\"k\": \"Olga\"}'::jsonb, 'k')")
        assert cursor.fetchone()[0] is None


def test_field_without_a_request_is_not_promoted():
    assert make_field().promotion == ""
