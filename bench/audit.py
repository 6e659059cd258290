"""Check the pinned packages for known vulnerabilities: `make audit`.

Exits with 0 if every package was checked and none is vulnerable, 1 if one is, and 2 if some could not be checked.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

PIP_AUDIT = ("-m", "uv", "tool", "run", "--quiet", "--constraints", "requirements-audit.txt", "pip-audit")
OPTIONS = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")
# The second holds the packages of the first, and those of the tests.
REQUIREMENTS = ("--requirement", "requirements-dev.txt")
VULNERABLE, UNCHECKED = 1, 2


@dataclass(frozen=True)
class Audit:
    """What is known of the packages: how many were checked, and a line for each advisory that applies."""

    checked: int = 0
    unchecked: int = 0
    advisories: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        if self.advisories:
            return VULNERABLE
        return UNCHECKED if self.unchecked or not self.checked else 0

    def sentences(self) -> list[str]:
        """Return the result for a person; it says that all is well only of packages that were checked."""
        total = self.checked + self.unchecked
        lines = [*self.advisories, f"{self.checked} of {total} packages were checked for known vulnerabilities."]
        if self.unchecked or not total:
            lines.append("The others were NOT checked: the package index in use has no advisories for them.")
        if self.checked and not self.advisories:
            lines.append("None of the checked packages has an advisory.")
        return lines


def read_report(report: dict[str, Any]) -> Audit:
    """Return what a report of pip-audit (its JSON format) says."""
    packages = report["dependencies"]
    unchecked = [one for one in packages if "skip_reason" in one]
    advisories = [
        f"{one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no release'}"
        for one in packages
        for found in one.get("vulns", ())
    ]
    return Audit(len(packages) - len(unchecked), len(unchecked), advisories)


def run() -> int:
    """Ask for the advisories, print what is known, and return the status to exit with."""
    command = [sys.executable, *PIP_AUDIT, *OPTIONS, *REQUIREMENTS]
    asked = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    try:
        audit = read_report(json.loads(asked.stdout))
    except (ValueError, KeyError):
        reason = (asked.stderr.strip().splitlines() or ["pip-audit said nothing."])[-1]
        sys.stdout.write(f"NOT checked: pip-audit does not run, or the advisories cannot be reached.\n{reason}\n")
        return UNCHECKED
    sys.stdout.writelines(f"{line}\n" for line in audit.sentences())
    return audit.status


if __name__ == "__main__":
    sys.exit(run())
