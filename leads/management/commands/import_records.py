"""Import a CSV file or an Excel workbook of leads, clients, contacts, policies or notes."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.arrival import split_columns
from leads.importing.exceptions import command_text
from leads.importing.report import ImportOutcome
from leads.importing.tables.registry import TABLES
from leads.importing.transitions import import_file
from leads.importing.updates.policy import DuplicatePolicy
from leads.importing.values.amounts import DECIMAL_MARKS
from leads.importing.values.dates import DATE_ORDERS
from leads.importing.values.parsers import Notation

FIELDS = "\n".join(f"fields of {name}: {', '.join(table.fields.targets)}" for name, table in TABLES.items())
EXAMPLES = f"""
examples:
  manage.py import_records leads contacts.csv --dry-run
  manage.py import_records leads hubspot.csv --errors skipped.csv
  manage.py import_records leads people.csv --map "Berater=assigned_to" --map "Status=" --set tags=2026
  manage.py import_records leads deals.csv --value "Stage:Proposal=PROPOSAL_SENT" --decimal , --dates dmy
  manage.py import_records leads claims.csv --set contact_name='Applicant {{row}}' --set notes='From {{policy_state}}'
  manage.py import_records leads export.csv --duplicates update --key "Record ID"
  manage.py import_records leads crm.csv --known 'Origin,Country' --later 'Last call'
  manage.py import_records leads agency.xlsx --sheet "Leads 2026"
  manage.py import_records clients clients.csv
  manage.py import_records policies policies.csv --create-clients

{FIELDS}
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
    """Import records; each row becomes a record, is a duplicate, or is refused with a reason."""

    help = "Import records from CSV in any common dialect and encoding, or from XLSX, in one transaction."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> argparse.ArgumentParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("table", choices=[*TABLES], help="What the rows of the file become.")
        parser.add_argument("file", type=Path, help="The CSV or XLSX file; its first row names the columns.")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            dest="column_fields",
            metavar="COLUMN=FIELD",
            type=pair_type(lambda text: text.rpartition("="), "column=field"),
            help="Import this column into this field or question of a line, such as auto.vin. Without a field, or with "
            "custom:NAME, keep it as a custom field; with -, leave it out.",
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            dest="field_templates",
            metavar="FIELD=TEXT",
            type=pair_type(lambda text: text.partition("="), "field=text"),
            help="Set this field of every record; {Column} stands for a cell of the row, {row} for its number.",
        )
        self.add_answer_arguments(parser)
        parser.add_argument(
            "--duplicates",
            choices=DuplicatePolicy.values,
            default="",
            help="; ".join(f"{policy.value}: {policy.effect}" for policy in DuplicatePolicy),
        )
        parser.add_argument("--dry-run", action="store_true", help="Check all rows, but change nothing.")
        parser.add_argument("--errors", type=Path, metavar="FILE", help="Write skipped rows to this CSV or XLSX file.")
        parser.add_argument(
            "--doubts", type=Path, metavar="FILE", help="Write cells that did not fit their field to this CSV file."
        )
        parser.add_argument("--encoding", help="Use this encoding instead of the detected one.")
        parser.add_argument("--sheet", default="", help="Read this sheet of a workbook instead of the first with rows.")
        parser.add_argument(
            "--create-clients", action="store_true", help="Create the clients that rows name and that do not exist."
        )

    @staticmethod
    def add_answer_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the options that answer what a file leaves open."""
        parser.add_argument(
            "--mapping", default="", metavar="NAME", help="Decide as this saved mapping says; other options come first."
        )
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

    def handle(self, *, file: Path, errors: Path | None, doubts: Path | None, dry_run: bool, **options: Any) -> None:
        try:
            outcome = import_file(
                file,
                by=SYSTEM_ACTOR,
                table=options["table"],
                errors=errors,
                doubts=doubts,
                encoding=options["encoding"],
                sheet=options["sheet"],
                dry_run=dry_run,
                tell=self.write_progress,
                mapping=options["mapping"],
                **read_decisions(options),
            )
        except ActionRefused as error:
            raise CommandError(command_text(error)) from error
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
            f"{known_rows(outcome)}"
            f"{outcome.duplicates:,} duplicate{pluralize(outcome.duplicates)}, {outcome.rejected:,} refused."
        )


def read_decisions(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the options decide about the file, as `ImportOptions` takes it."""
    values = to_mapping(options["values"], "--value")
    return {
        "column_fields": to_mapping(options["column_fields"], "--map"),
        "field_templates": to_mapping(options["field_templates"], "--set"),
        "values": {split_value_key(name): value for name, value in values.items()},
        "notation": Notation(options["decimal"], options["dates"]),
        "key": options["key"],
        "known": tuple(split_columns(options["known"])),
        "later": tuple(split_columns(options["later"])),
        **({"duplicates": options["duplicates"]} if options["duplicates"] else {}),
        "create_clients": options["create_clients"],
    }


def known_rows(outcome: ImportOutcome) -> str:
    """Return the counts of rows that are leads already and were not skipped; empty if there are none."""
    if not outcome.updated + outcome.unchanged:
        return ""
    return f"{outcome.updated:,} updated, {outcome.unchanged:,} unchanged, "


def outcome_lines(outcome: ImportOutcome, *, has_error_file: bool, has_doubt_file: bool) -> Iterator[str]:
    """Yield the report on rows and cells of an import; those written to a file are only counted."""
    yield from () if has_error_file else outcome.first_reasons
    yield from (f"{count:,} × {kind}" for kind, count in outcome.reason_counts.most_common())
    yield from () if has_doubt_file else (f"{doubt} Kept as a custom field." for doubt in outcome.first_doubts)
    yield from (f"{count:,} × {kind} Kept as a custom field." for kind, count in outcome.doubt_counts.most_common())
    yield from outcome.notices
    yield from (f"Question: {question.command_text}" for question in outcome.questions)


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
