"""Choose the parser for a field by its column. Pure: no database."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from crm.models import User
from leads.importing.cells import CellParser, EmailParser, LineParser, PhoneParser, TagsParser, parse_long_text
from leads.importing.values.amounts import AmountParser, decimal_mark_of_column
from leads.importing.values.dates import DateParser, MomentParser, date_order_of_column
from leads.importing.values.parsers import ImportContext, Notation
from leads.models import InsuranceType


def column_parser(column: models.Field, context: ImportContext, texts: list[str], notation: Notation) -> CellParser:
    """Return the parser for cells of `column`; `texts` show how the file writes dates and numbers."""
    if isinstance(column, models.ForeignKey):
        return {User: context.owner, InsuranceType: context.line}[column.related_model]
    if isinstance(column, models.DecimalField):
        mark = notation.decimal or decimal_mark_of_column(texts)
        return AmountParser(column.max_digits, column.decimal_places, mark)
    if isinstance(column, models.DateField):
        order = notation.dates or date_order_of_column(texts)
        return MomentParser(order) if isinstance(column, models.DateTimeField) else DateParser(order)
    if isinstance(column, ArrayField):
        return TagsParser(column.base_field.max_length)
    return text_parser(column)


def text_parser(column: models.Field) -> CellParser:
    if isinstance(column, models.EmailField):
        return EmailParser(column.max_length)
    if column.name.endswith("phone"):
        return PhoneParser(column.max_length)
    return LineParser(column.max_length) if column.max_length else parse_long_text
