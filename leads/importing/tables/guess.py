"""Guess what the rows of a file are, from the names of its columns and its own. Pure: no database."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from leads.importing.synonyms import plain_name
from leads.importing.tables.base import ImportTable

# The name of a file counts as many columns.
FILE_NAME_WEIGHT = 3
MAX_QUOTED_COLUMNS = 3


@dataclass(frozen=True)
class TableGuess:
    """A table, and why a file is probably of it; without a reason it is only the most usual one."""

    table: ImportTable
    reason: str
    weight: int = 0


def guess_table(file_name: str, header: list[str], tables: Iterable[ImportTable]) -> TableGuess:
    """Return the likeliest of `tables`; of equally likely ones the first."""
    return max((rate_table(file_name, header, table) for table in tables), key=lambda guess: guess.weight)


def rate_table(file_name: str, header: list[str], table: ImportTable) -> TableGuess:
    signs = [name for name in header if plain_name(name) in table.signs]
    is_named = table.name.value in plain_name(PurePath(file_name).stem)
    reasons = ["the name of the file"] if is_named else []
    if signs:
        reasons.append(f"column{'' if len(signs) == 1 else 's'} {quote_names(signs)}")
    return TableGuess(table, " and ".join(reasons), len(signs) + FILE_NAME_WEIGHT * is_named)


def quote_names(names: list[str]) -> str:
    quoted = ", ".join(f"“{name}”" for name in names[:MAX_QUOTED_COLUMNS])
    return quoted if len(names) <= MAX_QUOTED_COLUMNS else f"{quoted} and {len(names) - MAX_QUOTED_COLUMNS} more"
