"""Where a page goes next is always a page of the CRM, and no cell of a file runs as a formula."""

import csv

import pytest
from django.test import Client as Browser

from crm.screens.action_values import safe_next_url
from crm.text.spreadsheet_cells import mark_as_text, unescape_formula
from leads.importing.files.writing import open_writer
from tests.cast import PASSWORD

FOREIGN = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "/leads/\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    "/\x00/evil.example",
    "/leads/\r\nLocation: //evil.example",
    "javascript:alert(1)",
    "leads/",
    " /leads/",
    "/" + "x" * 2_000,
    "",
    None,
]


@pytest.mark.parametrize("url", FOREIGN)
def test_address_of_another_site_is_replaced(url):
    assert safe_next_url(url, "/here/") == "/here/"


@pytest.mark.parametrize("url", ["/", "/leads/lead/?q=a&tier=hot", "/leads/lead/#timeline", "/%5Cpath/"])
def test_address_of_this_site_stays(url):
    assert safe_next_url(url, "/here/") == url


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example"])
def test_login_goes_to_no_other_site(ann, url):
    form = {"username": "ann", "password": PASSWORD, "next": url}
    assert Browser().post("/login/", form)["Location"] == "/"


@pytest.mark.parametrize("text", ["=1+1", "+1 555 0100", "-cmd|x", "@SUM(A1)", "\t=1", "'=1", "＝1"])
def test_file_of_skipped_rows_has_no_formula_and_is_read_again_as_it_was(tmp_path, text):
    target = tmp_path / "skipped.csv"
    with open_writer("file of skipped rows", tmp_path / "people.csv", target) as rows:
        rows.writerow([text, "plain", "-5", "1,000.50", "x" * 40_000])
    with target.open(encoding="utf-8-sig", newline="") as file:
        [[cell, *others]] = csv.reader(file)
    assert cell == f"'{text}"
    assert unescape_formula(cell) == text
    assert others == ["plain", "-5", "1,000.50", "x" * 40_000]
    assert mark_as_text("-5") == "-5"
