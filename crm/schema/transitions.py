"""State changes of custom fields."""

from django.db import transaction

from crm.exceptions import IllegalTransition
from crm.models import CustomField, User
from crm.records.activity import Actor, record

RETIRE_PERMISSION = "crm.retire_customfield"


@transaction.atomic
def retire_field(field: CustomField, *, by: Actor | User) -> None:
    """Retire a custom field: it leaves forms, filters and lists, and its values stay.

    Raises:
        NotPermitted: `by` may not retire custom fields.
        IllegalTransition: the field is retired already, or deleted.
    """
    set_active(field, False, by=by)


@transaction.atomic
def bring_field_back(field: CustomField, *, by: Actor | User) -> None:
    """Bring a retired custom field back, with all its values.

    Raises:
        NotPermitted: `by` may not bring custom fields back.
        IllegalTransition: the field is in use already, or deleted.
    """
    set_active(field, True, by=by)


def set_active(field: CustomField, is_active: bool, *, by: Actor | User) -> None:
    Actor.of(by).require_permission(RETIRE_PERMISSION, "retire a custom field or bring it back")
    if CustomField.objects.filter(pk=field.pk, is_active=not is_active).update(is_active=is_active) != 1:
        raise IllegalTransition(f"The field “{field}” is {'in use' if is_active else 'retired'} already, or deleted.")
    field.is_active = is_active
    verb, word = ("brought back", "Brought back") if is_active else ("retired", "Retired")
    record(field, verb, by=by, summary=f"{word} custom field “{field}” of {field.get_table_display()}")
