"""What a lead says of the things to be insured, by line, for its page and that of its client."""

from typing import Any, NamedTuple

from crm.screens.json_forms.display import ValueNode, describe_value
from crm.screens.json_forms.schema import VERSION_KEY, Schema
from crm.templatetags.crm import humanize_key
from leads.models import Lead
from leads.models.insurance_type import COLUMN_BY_LINE

ADDITIONAL_INSUREDS = "additional_insureds"


class LineSection(NamedTuple):
    """The data of one line: its code, its title, the values, and the column whose form has them.

    No form has the values of a line that is unknown.
    """

    code: str
    title: str
    node: ValueNode
    column: str


def line_sections(lead: Lead, schemas: dict[str, Schema]) -> list[LineSection]:
    """Return the data of each line of `lead`, and its additional insureds; `schemas` are those of its columns."""
    lines: dict[str, Any] = schemas["line_data"]["properties"]
    values = [
        *((code, getattr(lead, column), schemas[column]) for code, column in COLUMN_BY_LINE.items()),
        *((code, data, lines.get(code)) for code, data in lead.line_data.items()),
        (ADDITIONAL_INSUREDS, lead.additional_insureds, schemas[ADDITIONAL_INSUREDS]),
    ]
    return [
        LineSection(
            code,
            (schema or {}).get("title") or humanize_key(code),
            describe_line_data(data, schema),
            column_of(code) if schema else "",
        )
        for code, data, schema in values
    ]


def column_of(code: str) -> str:
    """Return the column of a lead that holds the data of the line `code`."""
    return code if code == ADDITIONAL_INSUREDS else COLUMN_BY_LINE.get(code, "line_data")


def describe_line_data(data: Any, schema: Schema | None) -> ValueNode:
    """Return the answers to a line's questions for reading; answers of an older form say so."""
    node, version = describe_value(data, schema), (schema or {}).get(VERSION_KEY)
    if not node.parts or version is None or data.get(VERSION_KEY) == version:
        return node
    written = f"version {data[VERSION_KEY]}" if VERSION_KEY in data else "no version"
    note = ValueNode(text=f"Written under {written}; the form is at version {version}")
    return ValueNode(parts=[*node.parts, ("Form", note)])
