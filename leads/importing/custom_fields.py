"""The custom fields that are defined for a table: which column is which field, and how its cells are read."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crm.models import CustomField, CustomFieldKind, User
from crm.records.custom_fields.reference_search import ReferenceSearch
from crm.records.custom_fields.references import record_key
from crm.records.custom_fields.schemas import value_schema
from crm.screens.export.columns import CUSTOM_FIELD_PREFIX
from leads.importing.cells import CellParser
from leads.importing.exceptions import InvalidCell
from leads.importing.values.checked_texts import ExactTextParser, text_parser
from leads.importing.values.line_questions import LineQuestion
from leads.importing.values.parsers import Notation
from leads.importing.values.stages import choice_parser

# Also texts that look like numbers.
TEXT_KINDS = (CustomFieldKind.TEXT, CustomFieldKind.LONG_TEXT)
NAME_WITH_KEY = re.compile(r"(.+) \((.+)\)")
SEPARATORS = re.compile(r"[,;]")


class UnknownReference(InvalidCell):
    """A cell names no record, or several. `text` is the cell as it is stored: never as the key of a record."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(why)
        self.text = f"{text} (not found)" if record_key(text) else text


@dataclass(frozen=True)
class ReferenceParser:
    """Find the record that a cell names, and return its key."""

    search: ReferenceSearch

    def __call__(self, text: str) -> str:
        found = self.search.find(text)
        if found.reason:
            raise UnknownReference(found.reason, text)
        return found.key


@dataclass(frozen=True)
class CustomFields:
    """The custom fields of one table by key, and their keys by the headings that a file can have for them."""

    fields: Mapping[str, CustomField]
    headings: Mapping[str, str]
    labels: frozenset[str]
    user: User | None = None

    @classmethod
    def of(cls, fields: Iterable[CustomField], user: User | None = None) -> "CustomFields":
        """Return `fields` with their headings. A label that two of them share needs the key in brackets.

        References are looked up among the records that `user` may open; without a user, among all.
        """
        by_key = {field.key: field for field in fields}
        used = Counter(field.label.casefold() for field in by_key.values())
        headings = {field.label.casefold(): key for key, field in by_key.items() if used[field.label.casefold()] == 1}
        return cls(by_key, headings, frozenset(used), user)

    def key_of(self, column: str) -> str:
        """Return the key of the field that a column of a file has as its heading; empty if there is none."""
        name = " ".join(column.split())
        plain = name.removeprefix(CUSTOM_FIELD_PREFIX)
        # With the key in brackets: of a defined field, or an undefined key that equals a label.
        match = NAME_WITH_KEY.fullmatch(plain)
        if match and match[1].casefold() in self.labels:
            field, is_key = self.fields.get(match[2]), match[1].casefold() == match[2].casefold()
            if is_key or (field and field.label.casefold() == match[1].casefold()):
                return match[2]
        return self.headings.get(plain.casefold()) or (plain if plain != name else "")

    def parser(self, key: str, texts: list[str], notation: Notation) -> CellParser | None:
        """Return the parser of cells of the field `key`, which returns JSON values; None if it is not defined.

        `texts` are samples that show how the column writes numbers and dates.
        """
        field = self.fields.get(key)
        if field is None:
            return None
        if field.has_choices:
            parse_choice = choice_parser(field.choice_labels().items())
            if field.kind == CustomFieldKind.CHOICE:
                return parse_choice
            return lambda text: [*dict.fromkeys(parse_choice(one) for one in SEPARATORS.split(text) if one.strip())]
        if field.refers_to:
            return ReferenceParser(ReferenceSearch(field.refers_to, self.user))
        if field.kind in TEXT_KINDS:
            return text_parser(value_schema(field), ExactTextParser)
        question = LineQuestion("", key, "", field.label, value_schema(field), 0)
        return question.parser(texts, notation.decimal, notation.dates)


NO_CUSTOM_FIELDS = CustomFields.of(())
