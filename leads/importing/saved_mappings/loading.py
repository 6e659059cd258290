"""Load a saved mapping by its name, for an import by command."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from crm.exceptions import InvalidInput
from leads.importing.preview import ImportOptions, known_targets
from leads.importing.saved_mappings.fitting import fit_mapping
from leads.importing.tables.base import ImportTable
from leads.importing.values.parsers import Notation
from leads.models import ImportMapping


def options_with_mapping(
    name: str, decisions: Mapping[str, Any], table: ImportTable, header: list[str], tell: Callable[[str], None]
) -> ImportOptions:
    """Return what the mapping `name` decides about a file with the columns `header`; `decisions` come before it.

    Raises:
        InvalidInput: there is no such mapping.
    """
    mappings = ImportMapping.objects.filter(table=table.name)
    saved = mappings.filter(name__iexact=name).first()
    if saved is None:
        names = ", ".join(mappings.order_by("name").values_list("name", flat=True)[:20])
        raise InvalidInput(f"There is no mapping “{name}”. The mappings are: {names or 'none'}.")
    fitted = fit_mapping(saved.header, saved.options, header, known_targets(table))
    for note in fitted.notes:
        tell(note)
    changes = {}
    for field, value in decisions.items():
        before = getattr(fitted.options, field)
        changes[field] = {**before, **value} if isinstance(value, dict) else value or before
    if "notation" in changes:
        given, before = decisions["notation"], fitted.options.notation
        changes["notation"] = Notation(given.decimal or before.decimal, given.dates or before.dates)
    return replace(fitted.options, **changes)
