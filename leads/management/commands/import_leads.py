"""Import a file of leads."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.columns import IMPORTABLE_FIELDS, NAME_PARTS
from leads.importing.report import ImportOutcome
from leads.importing.transitions import import_leads

EXAMPLES = f"""
examples:
  manage.py import_leads contacts.csv --dry-run
  manage.py import_leads hubspot.csv --errors left_out.csv
  manage.py import_leads people.csv --map "Berater=assigned_to" --map "Status=" --set tags=2026
  manage.py import_leads claims.csv --set contact_name='Applicant {{row}}' --set notes='From {{policy_state}}'

fields: {", ".join((*IMPORTABLE_FIELDS, *NAME_PARTS))}
"""


def pair_type(partition: Callable[[str], tuple[str, str, str]], description: str) -> Callable[[str], tuple[str, str]]:
    """An `argparse` type for two texts with `=` between them."""

    def parse(text: str) -> tuple[str, str]:
        before, separator, after = partition(text)
        if not (separator and before.strip()):
            raise argparse.ArgumentTypeError(f"{text!r} is not {description}")
        return before.strip(), after.strip()

    return parse


class Command(BaseCommand):
    """Every row becomes a lead, a duplicate or a reason; a dry run says which and changes nothing."""

    help = "Import a CSV file of leads: any common dialect and encoding, all of it or nothing."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> argparse.ArgumentParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The CSV file; its first row names the columns.")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            dest="column_fields",
            metavar="COLUMN=FIELD",
            type=pair_type(lambda text: text.rpartition("="), "column=field"),
            help="Import this column into this field; without a field it is kept as a custom field.",
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            dest="field_templates",
            metavar="FIELD=TEXT",
            type=pair_type(lambda text: text.partition("="), "field=text"),
            help="Fill this field of every lead; {Column} stands for the row's cell, {row} for its number.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Read and compare all rows, change nothing.")
        parser.add_argument("--errors", type=Path, metavar="FILE", help="Write the rows left out here, as CSV.")
        parser.add_argument("--encoding", help="Instead of the encoding that the file looks like.")

    def handle(
        self,
        *,
        file: Path,
        column_fields: list[tuple[str, str]],
        field_templates: list[tuple[str, str]],
        errors: Path | None,
        encoding: str | None,
        dry_run: bool,
        **options: Any,
    ) -> None:
        try:
            outcome = import_leads(
                file,
                by=SYSTEM_ACTOR,
                column_fields=to_mapping(column_fields, "--map"),
                field_templates=to_mapping(field_templates, "--set"),
                errors=errors,
                encoding=encoding,
                dry_run=dry_run,
                # Not in the colour of errors.
                tell=partial(self.stderr.write, style_func=str),
            )
        except ActionRefused as error:
            raise CommandError(str(error)) from error
        self.report(outcome, errors, dry_run=dry_run)

    def report(self, outcome: ImportOutcome, errors: Path | None, *, dry_run: bool) -> None:
        if errors is None:
            for reason in outcome.first_reasons:
                self.stdout.write(reason)
        for kind, count in outcome.reason_counts.most_common():
            self.stdout.write(f"{count:,} × {kind}")
        if errors:
            self.stdout.write(f"The rows left out are in {errors}.")
        self.stdout.write(
            f"{'Dry run: nothing was changed. ' if dry_run else ''}Read {outcome.rows_read} rows: "
            f"{outcome.imported} imported, {outcome.duplicates} duplicates, {outcome.rejected} refused."
        )


def to_mapping(pairs: list[tuple[str, str]], option: str) -> dict[str, str]:
    """The pairs as a dictionary.

    Raises:
        CommandError: the same thing is said twice.
    """
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise CommandError(f"Of what {option} names, something is named twice.")
    return mapping
