"""Measure the performance targets of the design: `python -m bench` (`make bench`)."""

import argparse
import sys

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.test import override_settings

from bench import (
    approvals_list,
    escalation,
    executions,
    group_table,
    importing,
    inbox_list,
    kills,
    leads_list,
    log_list,
    mail,
    message,
    nightly,
    pages,
    promotion,
    race,
    scoring,
    storm,
    suggestion_latency,
    undoing,
    usage,
)
from bench.databases import DATABASE_SIZES, drop_database
from bench.measure import PageFailed
from crm.runtime.startup_errors import startup_error_message

TABLES = {
    "pages": pages,
    "leads": leads_list,
    "approvals": approvals_list,
    "race": race,
    "storm": storm,
    "kills": kills,
    "executions": executions,
    "escalation": escalation,
    "mail": mail,
    "inbox": inbox_list,
    "log": log_list,
    "scoring": scoring,
    "import": importing,
    "undo": undoing,
    "message": message,
    "latency": suggestion_latency,
    "nightly": nightly,
    "usage": usage,
    "promotion": promotion,
    "vehicles": group_table,
}
# As in production, as far as one process without a proxy allows.
SETTINGS = {"DEBUG": False, "ALLOWED_HOSTS": ["testserver"], "ROOT_URLCONF": "bench.urls"}


def main() -> int:
    """Run the requested tables; return 0 if every target was met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="table", help=f"Run only these: {', '.join(TABLES)}.")
    parser.add_argument("--repeat", type=int, default=7, help="How often to time each page (default: 7).")
    parser.add_argument("--rows", type=int, help="How many leads “import”, “undo” and “promotion” have.")
    parser.add_argument("--plans", action="store_true", help="Print the CRM's query plans instead.")
    parser.add_argument("--fresh", action="store_true", help="Recreate and fill the databases first.")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="Of `pages`, measure those with TEXT in their names."
    )
    options = parser.parse_args()
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"unknown table {', '.join(sorted(unknown))}; choose from {', '.join(TABLES)}")
    if options.repeat < 1:
        parser.error("--repeat must be 1 or more")
    for name in {**DATABASE_SIZES, **log_list.LOG_SIZES} if options.fresh else ():
        drop_database(name)
    pages.keep_pages(options.only)
    with override_settings(**SETTINGS):
        tables = [TABLES[name] for name in options.tables or TABLES]
        if options.plans:
            for table in tables:
                table.plans()
            return 0
        sized = {importing, undoing, promotion} if options.rows else set()
        reached = [table.run(options.repeat, **({"rows": options.rows} if table in sized else {})) for table in tables]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PageFailed as failure:
        sys.exit(str(failure))
    except (ImproperlyConfigured, OperationalError) as error:
        sentence = startup_error_message(error)
        if sentence is None:
            raise
        sys.exit(sentence)
