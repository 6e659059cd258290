"""Report stored JSON that does not fit its schema."""

import argparse
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from leads.lines.json_check import JsonCheck

# A table full of invented keys must not fill the memory.
MAX_GROUPS = 10_000
OTHER_GROUP = ("", "", "", "further keys")


class Command(BaseCommand):
    """Count what does not fit by table, line, key and reason; the exit code is 1 if there is anything."""

    help = (
        "Report answers to lines' questions and values of custom fields that do not fit. Exit code 1 if there are any."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--ids", action="store_true", help="Also print a line for each value, with its record.")
        parser.add_argument("--unknown-keys", action="store_true", help="Also report keys without a question or field.")

    def handle(self, *, ids: bool, unknown_keys: bool, **options: Any) -> None:
        groups, records, last_key = Counter(), 0, None
        for misfit in JsonCheck(reports_unknown_keys=unknown_keys).misfits():
            group = misfit[:-1]
            groups[group if group in groups or len(groups) < MAX_GROUPS else OTHER_GROUP] += 1
            records, last_key = records + (misfit.pk != last_key), misfit.pk
            if ids:
                self.stdout.write(f"{misfit.table} {misfit.pk} {describe_group(group)}")
        for group, count in groups.most_common():
            self.stdout.write(f"{count:>10,}  {group[0]} · {describe_group(group)}")
        if groups:
            raise CommandError(f"{groups.total():,} values in {records:,} records do not fit.")
        self.stdout.write("Every value fits.")


def describe_group(group: tuple[str, ...]) -> str:
    """Return the line, the key and the reason of a group, in printable characters."""
    text = " · ".join(filter(None, group[1:]))
    return "".join(letter if letter.isprintable() else "�" for letter in text)
