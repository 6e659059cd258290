"""The cells of a row, in the order in which the reader's columns stand.

A row template marks the cell of each column with `{% cell "Heading" %}` and `{% endcell %}`. Only the cells of the
shown columns are rendered.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django import template
from django.template.base import Node, NodeList, Parser, Token
from django.template.loader import get_template
from django.utils.safestring import SafeString
from django.utils.text import slugify

from crm.records.custom_fields.references import load_value_names, with_names
from crm.screens.columns.column import AnyColumn, Column, FieldColumn
from crm.screens.json_forms.display import describe_value

FIELD_CELL = "crm/field_cell.html"
# Writes one cell of the row in the context.
Cell = Callable[[template.Context], SafeString]


class CellNode(Node):
    """The cell of one column in a row template."""

    def __init__(self, name: str, nodelist: NodeList) -> None:
        self.name, self.nodelist = name, nodelist

    def render(self, context: template.Context) -> SafeString:
        return self.nodelist.render(context)


def parse_cell(parser: Parser, token: Token) -> CellNode:
    """Read `{% cell "Heading" %}`."""
    _, heading = token.split_contents()
    nodelist = parser.parse(["endcell"])
    parser.delete_first_token()
    return CellNode(slugify(heading.strip("\"'")), nodelist)


def cells_of_template(name: str) -> dict[str, CellNode]:
    """Return the cells in the row template `name` by the names of their columns; none if it marks none."""
    nodes = get_template(name).template.nodelist.get_nodes_by_type(CellNode)
    return {node.name: node for node in nodes}


class RowCells:
    """The cells of the rows of one page, in the `columns` that the user `reader` sees."""

    def __init__(self, row_template: str, columns: list[AnyColumn], rows: list[Any], reader: Any) -> None:
        self.row_template, self.columns, self.rows, self.reader = row_template, columns, rows, reader

    @cached_property
    def cells(self) -> list[Cell]:
        nodes = cells_of_template(self.row_template)
        return [
            nodes[column.name].render if isinstance(column, Column) else self.field_cell(column)
            for column in self.columns
        ]

    def field_cell(self, column: FieldColumn) -> Cell:
        """Return the function that writes the cells of a field; records that they name are read for the whole page."""
        schema = with_names(column.schema, self.reader)
        load_value_names(schema, (column.value(row) for row in self.rows))
        cell = get_template(FIELD_CELL).template

        def write(context: template.Context) -> SafeString:
            node = describe_value(column.value(context["row"]), schema)
            with context.push(label=column.label, node=node):
                return cell.nodelist.render(context)

        return write

    def render(self, context: template.Context) -> SafeString:
        """Return the cells of the row in `context`."""
        return SafeString("".join(cell(context) for cell in self.cells))
