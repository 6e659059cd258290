"""The table of dependencies names what the project needs, with the licences that the packages themselves state."""

import tomllib
from importlib.metadata import PackageNotFoundError, files, metadata

import pytest
from django.conf import settings
from packaging.requirements import Requirement

from bench.audit import UNCHECKED, VULNERABLE, read_report

PROJECT = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
TABLES = {"To run": PROJECT["dependencies"], "To test": PROJECT["optional-dependencies"]["dev"]}
# Older metadata write a licence in their own words.
SPDX_IDS = {
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "GPLv3+": "GPL-3.0-or-later",
    "MIT License": "MIT",
}
LONGEST_NAME_OF_A_LICENCE = 30


def table_rows(section: str) -> dict[str, list[str]]:
    """Return the cells of each row of the table under a heading of docs/dependencies.md, by package."""
    text = (
        (settings.BASE_DIR / "docs/dependencies.md").read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    )
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def stated_licence(package: str) -> str:
    """Return the licence in the metadata of an installed package; if there is none, the first line of its file."""
    stated = metadata(package)
    short = [text for text in stated.get_all("License") or [] if len(text) < LONGEST_NAME_OF_A_LICENCE and text.strip()]
    classifiers = [one.rpartition(" :: ")[2] for one in stated.get_all("Classifier") or [] if one.startswith("License")]
    licence = next(filter(None, [stated["License-Expression"], *short, *classifiers]), None)
    if licence is None:
        texts = [file for file in files(package) or [] if "LICENSE" in file.name.upper()]
        licence = texts[0].read_text().splitlines()[0]
    return SPDX_IDS.get(licence.strip(), licence.strip())


@pytest.mark.parametrize("section", TABLES)
def test_table_names_what_the_project_needs(section):
    assert sorted(table_rows(section)) == sorted(Requirement(one).name for one in TABLES[section])


@pytest.mark.parametrize("section", TABLES)
def test_table_has_a_reason_the_stated_licence_and_the_age(section):
    for package, (reason, licence, first_release, release) in table_rows(section).items():
        assert reason and first_release.isdecimal() and release >= first_release, package
        try:
            assert licence == stated_licence(package), package
        except PackageNotFoundError:
            pytest.fail(f"{package} is not installed")


def test_audit_never_says_that_unchecked_packages_are_well():
    checked = {"name": "a", "version": "1", "vulns": []}
    skipped = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited: b (1)"}
    vulnerable = {"name": "c", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
    well, none, some = (read_report({"dependencies": found}) for found in ([checked], [skipped], [checked, skipped]))
    assert (well.status, none.status, some.status) == (0, UNCHECKED, UNCHECKED)
    assert read_report({"dependencies": []}).status == UNCHECKED
    assert not any("None of" in line for line in none.sentences())
    assert "1 of 2 packages were checked for known vulnerabilities." in some.sentences()
    audit = read_report({"dependencies": [vulnerable, skipped]})
    assert audit.status == VULNERABLE
    assert audit.sentences()[0] == "c 1.0: PYSEC-1, mended in 1.1"
