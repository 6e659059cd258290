"""Import a CSV file or an Excel workbook of leads."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.arrival import split_columns
from leads.importing.columns import LEAD_FIELDS
from leads.importing.report import ImportOutcome
from leads.importing.transitions import import_leads
from leads.importing.values.amounts import DECIMAL_MARKS
from leads.importing.values.dates import DATE_ORDERS
from leads.importing.values.parsers import Notation

EXAMPLES = f"""
examples:
  manage.py import_leads contacts.csv --dry-run
  manage.py import_leads hubspot.csv --errors skipped.csv
  manage.py import_leads agency.xlsx --sheet "Leads 2026"
  manage.py import_leads people.csv --map "Berater=assigned_to" --map "Status=" --set tags=2026
  manage.py import_leads deals.csv --value "Stage:Proposal=PROPOSAL_SENT" --decimal , --dates dmy
  manage.py import_leads claims.csv --set contact_name='Applicant {{row}}' --set notes='From {{policy_state}}'
  manage.py import_leads crm.csv --known 'Origin,Country' --later 'Last call'

fields: {", ".join(LEAD_FIELDS.targets)}
"""


def pair_type(partition: Callable[[str], tuple[str, str, str]], description: str) -> Callable[[str], tuple[str, str]]:
    """Return an `argparse` type for two texts separated by `=`."""

    def parse(text: str) -> tuple[str, str]:
        before, separator, after = partition(text)
        if not (separator and before.strip()):
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form {description}")
        return before.strip(), after.strip()

    return parse


class Command(BaseCommand):
    """Import leads; each row becomes a lead, is a duplicate, or is refused with a reason."""

    help = "Import leads from CSV in any common dialect and encoding, or from XLSX, in one transaction."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> argparse.ArgumentParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The CSV or XLSX file; its first row names the columns.")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            dest="column_fields",
            metavar="COLUMN=FIELD",
            type=pair_type(lambda text: text.rpartition("="), "column=field"),
            help="Import this column into this field; without a field, keep it as a custom field.",
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            dest="field_templates",
            metavar="FIELD=TEXT",
            type=pair_type(lambda text: text.partition("="), "field=text"),
            help="Set this field of every lead; {Column} stands for a cell of the row, {row} for its number.",
        )
        self.add_answer_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Check all rows, but change nothing.")
        parser.add_argument("--errors", type=Path, metavar="FILE", help="Write skipped rows to this CSV file.")
        parser.add_argument(
            "--doubts", type=Path, metavar="FILE", help="Write cells that did not fit their field to this CSV file."
        )
        parser.add_argument("--encoding", help="Use this encoding instead of the detected one.")
        parser.add_argument("--sheet", default="", help="Read this sheet of a workbook instead of the first with rows.")

    @staticmethod
    def add_answer_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the options that answer what a file leaves open."""
        parser.add_argument(
            "--value",
            action="append",
            default=[],
            dest="values",
            metavar="COLUMN:TEXT=VALUE",
            type=pair_type(lambda text: text.rpartition("="), "column:text=value"),
            help="Import TEXT in COLUMN as VALUE; without a value, leave the field empty.",
        )
        parser.add_argument(
            "--decimal",
            choices=DECIMAL_MARKS,
            default="",
            help="The decimal mark, if 1.500 has two readings.",
        )
        parser.add_argument(
            "--dates", choices=DATE_ORDERS, default="", help="The order of day and month, where 3/4/2027 can be both."
        )
        parser.add_argument(
            "--key", default="", metavar="COLUMN", help="The column that identifies a row, to find it again later."
        )
        for option, meaning in (
            ("--known", "were known when the lead arrived, so predictions may use them"),
            ("--later", "were recorded later, so predictions must not use them"),
        ):
            parser.add_argument(
                option, action="append", default=[], metavar="COLUMNS", help=f"These columns {meaning}; a,b,c."
            )

    def handle(
        self,
        *,
        file: Path,
        column_fields: list[tuple[str, str]],
        field_templates: list[tuple[str, str]],
        values: list[tuple[str, str]],
        decimal: str,
        dates: str,
        key: str,
        errors: Path | None,
        doubts: Path | None,
        encoding: str | None,
        sheet: str,
        known: list[str],
        later: list[str],
        dry_run: bool,
        **options: Any,
    ) -> None:
        try:
            outcome = import_leads(
                file,
                by=SYSTEM_ACTOR,
                column_fields=to_mapping(column_fields, "--map"),
                field_templates=to_mapping(field_templates, "--set"),
                values={split_value_key(name): value for name, value in to_mapping(values, "--value").items()},
                notation=Notation(decimal, dates),
                key=key,
                errors=errors,
                doubts=doubts,
                encoding=encoding,
                sheet=sheet,
                dry_run=dry_run,
                known=split_columns(known),
                later=split_columns(later),
                tell=self.write_progress,
            )
        except ActionRefused as error:
            raise CommandError(str(error)) from error
        self.report(outcome, errors, doubts, dry_run=dry_run)

    def write_progress(self, sentence: str) -> None:
        """Write a line of progress. It is no error, so it has no colour."""
        self.stderr.write(sentence, style_func=str)

    def report(self, outcome: ImportOutcome, errors: Path | None, doubts: Path | None, *, dry_run: bool) -> None:
        for line in outcome_lines(outcome, has_error_file=bool(errors), has_doubt_file=bool(doubts)):
            self.stdout.write(line)
        if errors:
            self.stdout.write(f"Skipped rows written to {errors}.")
        if doubts:
            self.stdout.write(f"Cells that did not fit written to {doubts}.")
        self.stdout.write(
            f"{'Dry run: nothing was changed. ' if dry_run else ''}"
            f"Read {outcome.rows_read:,} row{pluralize(outcome.rows_read)}: {outcome.imported:,} imported, "
            f"{outcome.duplicates:,} duplicate{pluralize(outcome.duplicates)}, {outcome.rejected:,} refused."
        )


def outcome_lines(outcome: ImportOutcome, *, has_error_file: bool, has_doubt_file: bool) -> Iterator[str]:
    """Yield the report on rows and cells of an import; those written to a file are only counted."""
    yield from () if has_error_file else outcome.first_reasons
    yield from (f"{count:,} × {kind}" for kind, count in outcome.reason_counts.most_common())
    yield from () if has_doubt_file else (f"{doubt} Kept as a custom field." for doubt in outcome.first_doubts)
    yield from (f"{count:,} × {kind} Kept as a custom field." for kind, count in outcome.doubt_counts.most_common())
    yield from outcome.notices
    yield from (f"Question: {question}" for question in outcome.questions)


def split_value_key(text: str) -> tuple[str, str]:
    """Return column and text of “Stage:Proposal”.

    Raises:
        CommandError: there is no colon.
    """
    column, separator, cell = text.partition(":")
    if not separator:
        raise CommandError(f"--value “{text}” names no column. Write it as COLUMN:TEXT=VALUE.")
    return column.strip(), cell.strip()


def to_mapping(pairs: list[tuple[str, str]], option: str) -> dict[str, str]:
    """Return the pairs as a dictionary.

    Raises:
        CommandError: two pairs have the same key.
    """
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise CommandError(f"{option} names “{repeated}” twice.")
    return mapping
