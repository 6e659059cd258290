"""A VIN has 17 characters and, where the standard gives one, a check digit."""

import pytest

from crm.text.vins import normalize_vin, vin_error

LENGTH, LETTERS, CHECK = "has 17 characters", "never I, O or Q", "check digit"


@pytest.mark.parametrize(
    ("vin", "year", "error"),
    [
        ("1HGCM82633A004352", None, ""),
        ("1M8GDM9AXKP042788", 1989, ""),
        ("11111111111111111", None, ""),
        ("7FARW2H58JE000000", None, ""),
        # North America, with a letter or digit mistyped, or two exchanged.
        ("1HGCM82633A004353", None, CHECK),
        ("1HGCM82633A004532", None, CHECK),
        ("1HGCM826A3A004352", 2003, CHECK),
        ("3VWC57BU2KM221904", None, CHECK),
        ("7FARW2H57JE000000", None, CHECK),
        # Elsewhere the ninth character is the maker's own.
        ("WVWZZZ1JZXW000001", None, ""),
        ("JTMRFREV0HJ104412", None, ""),
        ("7AT0H65YX11000001", None, ""),
        ("1HGCM82633A00435", None, LENGTH),
        ("1HGCM82633A0043521", 1999, LENGTH),
        ("WVWZZZ1JZXW00001", None, LENGTH),
        ("1HGCM82633AO04352", None, LETTERS),
        ("IHGCM82633A004352", 1970, LETTERS),
        ("1HGCM82633A00435Ä", None, LETTERS),
        ("1HGCM82633A00435٣", None, LETTERS),
        # Before the standard.
        ("5F07C123456", 1965, ""),
        ("5F07C123456", 1981, LENGTH),
        ("5F07C123456", "1965", LENGTH),
        ("123", 1965, "5 to 17 characters"),
    ],
)
def test_vin_error(vin, year, error):
    assert error in vin_error(vin, year) and bool(error) == bool(vin_error(vin, year))


def test_vin_is_normalized():
    assert normalize_vin(" 1hgcm-82633 a004352\n") == "1HGCM82633A004352"
