"""Fit a saved mapping to the columns of a new file. Pure: no database."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from leads.importing.columns import ROW_NUMBER_PLACEHOLDER, TEMPLATE_PLACEHOLDER_PATTERN, ImportPlan
from leads.importing.preview import ImportOptions
from leads.importing.tables.fields import is_field

# A mapping is offered if at least this share of its columns is in the file.
MIN_OFFERED_SHARE = 0.5
MAX_LISTED_COLUMNS = 20


@dataclass(frozen=True)
class FittedMapping:
    """The decisions of a mapping that apply to a file, and sentences about what does not."""

    options: ImportOptions
    notes: tuple[str, ...]


def complete_options(options: ImportOptions, plan: ImportPlan) -> ImportOptions:
    """Return `options` with the field of every column, also where the program has found it.

    Further columns of a field are found again.
    """
    further = {index for indexes in plan.alternatives.values() for index in indexes}
    targets = {plan.header[index]: name for name, index in plan.columns.items()}
    custom = {plan.header[index]: "" for index in plan.custom_columns if index not in further}
    chosen = {plan.header[find(column, plan.header)]: target for column, target in options.column_fields.items()}
    return replace(options, column_fields={**custom, **targets, **chosen})


def find(column: str, header: list[str]) -> int:
    """Return the index of `column` without regard to case; -1 if there is none."""
    names = [name.casefold() for name in header]
    return names.index(column.casefold()) if column.casefold() in names else -1


def shared_columns(saved: list[str], header: list[str]) -> int:
    """Return how many columns of a mapping are in a file."""
    names = {name.casefold() for name in header}
    return sum(name.casefold() in names for name in saved)


def is_offered(saved: list[str], header: list[str]) -> bool:
    return bool(saved) and shared_columns(saved, header) >= MIN_OFFERED_SHARE * len(saved)


def fit_mapping(
    saved: list[str], options: Mapping[str, Any], header: list[str], targets: Collection[str]
) -> FittedMapping:
    """Return what of the decisions `options` about the columns `saved` applies to a file with the columns `header`.

    Columns that the file does not have, and fields that no longer exist, are dropped and named.
    """
    wanted = ImportOptions.from_json(options)
    missing = [name for name in saved if find(name, header) < 0]
    new = [name for name in header if find(name, saved) < 0]
    gone = sorted({target for target in wanted.column_fields.values() if is_field(target) and target not in targets})
    fitted = replace(
        wanted,
        column_fields={
            column: target
            for column, target in wanted.column_fields.items()
            if find(column, header) >= 0 and target not in gone
        },
        field_templates={name: text for name, text in wanted.field_templates.items() if has_all_columns(text, header)},
        values={pair: value for pair, value in wanted.values.items() if find(pair[0], header) >= 0},
        key=wanted.key if find(wanted.key, header) >= 0 else "",
        known=tuple(name for name in wanted.known if find(name, header) >= 0),
        later=tuple(name for name in wanted.later if find(name, header) >= 0),
    )
    return FittedMapping(fitted, tuple(describe_differences(missing, new, gone, wanted, fitted)))


def has_all_columns(template: str, header: list[str]) -> bool:
    names = TEMPLATE_PLACEHOLDER_PATTERN.findall(template)
    return all(name == ROW_NUMBER_PLACEHOLDER or find(" ".join(name.split()), header) >= 0 for name in names)


def describe_differences(
    missing: list[str], new: list[str], gone: list[str], wanted: ImportOptions, fitted: ImportOptions
) -> list[str]:
    """Return a sentence for each kind of difference between a mapping and a file."""
    dropped = [text for name, text in wanted.field_templates.items() if name not in fitted.field_templates]
    lists = (
        ("Not in this file, so not applied", missing),
        ("New in this file, so found by name", new),
        ("No longer a field, so kept as custom fields", gone),
        ("Text with a column that is not in this file, so not applied", dropped),
    )
    sentences = [f"{label}: {quoted(names)}." for label, names in lists if names]
    if wanted.key and not fitted.key:
        sentences.append(f"“{wanted.key}” identified the rows and is not in this file. Choose another column.")
    return sentences


def quoted(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED_COLUMNS} more" if len(names) > MAX_LISTED_COLUMNS else ""
    return ", ".join(f"“{name}”" for name in names[:MAX_LISTED_COLUMNS]) + more
