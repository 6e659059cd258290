"""The fields that a row of a file can fill in a table, and what other systems call them. Pure: no database."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from crm.exceptions import InvalidInput

# A column that is no field: left out, or a custom field with a name of its own.
LEFT_OUT, CUSTOM_PREFIX, MAX_CUSTOM_KEY_LENGTH = "-", "custom:", 100
# Three columns of a file can make up one name.
NAME_PARTS = ("first_name", "middle_name", "last_name")


@dataclass(frozen=True)
class TableFields:
    """The fields of a table, with the names of columns that fill them, as `plain_name` writes these.

    `ambiguous` names are used only if cells fit the field. `keys` are the columns that identify a row in the other
    system, best first. `full_name` is the field that `NAME_PARTS` make up. Of several columns for one of the `alike`
    fields, the first cell that is filled counts. A file needs one of the `identifying` fields; `required` says so.
    """

    noun: str
    fields: tuple[str, ...]
    synonyms: Mapping[str, str]
    ambiguous: Mapping[str, str]
    keys: tuple[str, ...]
    required: str
    full_name: str
    identifying: frozenset[str]
    consent: tuple[str, ...] = ()
    alike: frozenset[str] = frozenset()
    # In these fields a word such as “none” can be the value itself.
    free_text: frozenset[str] = frozenset()
    # Columns of these fields hold few different texts, so each is parsed once.
    repeated: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[str, ...]:
        return (*self.fields, *(NAME_PARTS if self.full_name else ()), *self.consent)

    @cached_property
    def known_headers(self) -> frozenset[str]:
        """Return all names of columns of the table, as `plain_name` writes them."""
        groups = (*self.synonyms.values(), *self.ambiguous.values())
        return frozenset(name for names in groups for name in names.split())

    def conflicts_with_name_parts(self, target: str, used: set[str]) -> bool:
        """Return whether `target` is the full name and a part of it is used, or the other way round."""
        if not self.full_name:
            return False
        if target == self.full_name:
            return not used.isdisjoint(NAME_PARTS)
        return target in NAME_PARTS and self.full_name in used


def is_field(target: str) -> bool:
    """Return whether the target of a column is a field or a question, and not a custom field or nothing."""
    return bool(target) and target != LEFT_OUT and not target.startswith(CUSTOM_PREFIX)


def custom_key(target: str) -> str:
    return " ".join(target.removeprefix(CUSTOM_PREFIX).split())


def validate_target(name: str, fields: TableFields, questions: Collection[str]) -> str:
    """Return the target of a column.

    Raises:
        InvalidInput: there is no such field, or the name of the custom field is empty or too long.
    """
    if name.startswith(CUSTOM_PREFIX) and not 1 <= len(custom_key(name)) <= MAX_CUSTOM_KEY_LENGTH:
        raise InvalidInput(
            f"The name of a custom field has 1 to {MAX_CUSTOM_KEY_LENGTH} characters, not {len(custom_key(name))}."
        )
    return validate_field(name, fields) if is_field(name) and name not in questions else name


def validate_field(name: str, fields: TableFields) -> str:
    if name and name not in fields.targets:
        raise InvalidInput(f"A {fields.noun} has no field “{name}”. The fields are: {', '.join(fields.targets)}.")
    return name
