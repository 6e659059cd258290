"""Save, rename and delete the mappings that all who import share, and apply one to an import."""

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.text.cleaning import strip_nul
from leads.importing.batches.files import open_stored_file
from leads.importing.batches.transitions import require_import_permission, save_options
from leads.importing.preview import ImportOptions, known_targets, preview_import
from leads.importing.saved_mappings.fitting import FittedMapping, complete_options, fit_mapping
from leads.importing.tables.registry import table_named
from leads.models import ImportBatch, ImportMapping

MAX_MAPPINGS = 200


def clean_name(name: str) -> str:
    """Return the name of a mapping.

    Raises:
        InvalidInput: it is empty or too long.
    """
    name, max_length = " ".join(strip_nul(name).split()), ImportMapping._meta.get_field("name").max_length
    if not 1 <= len(name) <= max_length:
        raise InvalidInput(f"The name of a mapping has 1 to {max_length} characters.")
    return name


@transaction.atomic
def save_mapping(batch: ImportBatch, name: str, *, by: User) -> ImportMapping:
    """Save what is decided about the file of `batch` under `name`, in place of a mapping with this name.

    Raises:
        NotPermitted: `by` may not import such records.
        InvalidInput: the name is empty or too long, or there are too many mappings.
    """
    require_import_permission(by, batch.table)
    name, file, table = clean_name(name), open_stored_file(batch), table_named(batch.table)
    options = ImportOptions.from_json(batch.options)
    complete = complete_options(options, preview_import(file, options, table)[1].plan)
    same = ImportMapping.objects.select_for_update().filter(name__iexact=name, table=batch.table)
    mapping = same.first() or ImportMapping(table=batch.table)
    if mapping._state.adding and ImportMapping.objects.count() >= MAX_MAPPINGS:
        raise InvalidInput(f"There are {MAX_MAPPINGS} mappings already. Delete one first.")
    mapping.name, mapping.header, mapping.options = name, file.header, complete.to_json()
    mapping.saved_at, mapping.saved_by = timezone.now(), by
    with errors_as_invalid_input():
        mapping.save()
    return mapping


@transaction.atomic
def rename_mapping(mapping: ImportMapping, name: str, *, by: User) -> None:
    """Give `mapping` another name.

    Raises:
        NotPermitted: `by` may not import such records.
        InvalidInput: the name is empty, too long or that of another mapping.
        IllegalTransition: the mapping was deleted.
    """
    require_import_permission(by, mapping.table)
    with errors_as_invalid_input():
        renamed = ImportMapping.objects.filter(pk=mapping.pk).update(name=clean_name(name))
    if renamed != 1:
        raise IllegalTransition(f"The mapping “{mapping}” was deleted.")


@transaction.atomic
def delete_mapping(mapping: ImportMapping, *, by: User) -> None:
    """Delete `mapping`. Imports that used it stay as they are.

    Raises:
        NotPermitted: `by` may not import such records.
        IllegalTransition: it was deleted already.
    """
    require_import_permission(by, mapping.table)
    if not ImportMapping.objects.filter(pk=mapping.pk).delete()[0]:
        raise IllegalTransition(f"The mapping “{mapping}” was deleted already.")


def apply_mapping(batch: ImportBatch, mapping: ImportMapping, *, by: User) -> FittedMapping:
    """Decide about the file of `batch` as `mapping` says, as far as it fits. Return what was applied, and what not.

    Raises: as `save_options`; InvalidInput also if the mapping is for another table.
    """
    if mapping.table != batch.table:
        raise InvalidInput(f"The mapping “{mapping}” is for {mapping.get_table_display().lower()}. Choose another one.")
    targets = known_targets(table_named(batch.table))
    fitted = fit_mapping(mapping.header, mapping.options, open_stored_file(batch).header, targets)
    save_options(batch, fitted.options, by=by)
    return fitted
