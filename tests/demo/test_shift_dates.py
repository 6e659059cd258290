"""Shifting the dates of stored rows."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from demo.shift_dates import shift_all_dates


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-11-02", "2026-11-12"),
        ("2026-11-01T09:12:00Z", "2026-11-11T09:12:00+00:00"),
        ("2026-11-01T09:12:30.250-05:00", "2026-11-11T09:12:30.250000+00:00"),
        ("2026-11-01T09:12", "2026-11-11T09:12:00+00:00"),
        ("On 2026-10-30 at 16:05, Ann wrote:", "On 2026-11-09 at 16:05, Ann wrote:"),
        ("Task: Call Ann, due 28 Dec 2026.", "Task: Call Ann, due 7 Jan 2027."),
        ("from 2026-12-30, to 2027-01-01.", "from 2027-01-09, to 2027-01-11."),
    ],
)
def test_date_is_shifted_in_any_text(before, after):
    assert shift_all_dates(before, 10, UTC) == after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(419) 555-0142",
        "019fbd79-9600-7000-8000-1ead00000012",
        "part 2026-13-45",
        "31 Feb 2026",
        "112 Nov 2026",
        "2 Nov 20261",
        "9999-12-31",
        "12026-11-02",
        "2026-11-023",
        "<20261101.0912@example.com>",
    ],
)
def test_similar_text_is_not_shifted(text):
    assert shift_all_dates(text, 10, UTC) == text


def test_nested_values_are_shifted_and_keys_kept():
    before = {"2026-11-02": [{"at": "2026-11-02"}, 7, None, True, 0.5]}
    assert shift_all_dates(before, -1, UTC) == {"2026-11-02": [{"at": "2026-11-01"}, 7, None, True, 0.5]}


def test_local_hour_survives_daylight_saving_change():
    chicago = ZoneInfo("America/Chicago")
    assert shift_all_dates("2026-10-31T09:12:00Z", 2, chicago) == "2026-11-02T09:12:00-06:00"
    assert shift_all_dates("2026-10-31T09:12:00Z", 0, chicago) == "2026-10-31T09:12:00-05:00"
