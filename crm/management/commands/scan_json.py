"""Scan the JSON columns: how often each key is filled, with which kinds of values."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from crm.schema.usage.transitions import scan_tables


class Command(BaseCommand):
    """Replace the statistics of all keys, as happens every night from a sample of each large table."""

    help = "Scan the JSON columns for the list of fields in use. Large tables are sampled, as happens every night."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--full", action="store_true", help="Read every record, also of a large table.")

    def handle(self, *, full: bool, **options: Any) -> None:
        total = 0
        for table, found in scan_tables(timezone.now(), full=full):
            read = "all" if found.is_full else f"{found.sample.rows:,} of about"
            self.stdout.write(f"{table.label}: {len(found.keys):,} keys in {read} {found.sample.row_count:,} records.")
            total += len(found.keys)
        self.stdout.write(f"Keys found: {total:,}.")
