"""The JSON Schemas of lines as forms, pages and checks use them. Pure: no database."""

from crm.screens.json_forms.schema import VERSION_KEY, Schema, without_keys
from leads.lines.questions import asked_questions
from leads.models import InsuranceType


def line_form_schema(line: InsuranceType) -> Schema:
    """Return the questions that `line` asks, for inputs, with the version for the saved data.

    Defaults are left out: they belong to new records, and an input would show them for a missing answer.
    """
    return without_defaults(asked_questions(line_schema(line)))


def without_defaults(form: Schema) -> Schema:
    """Return `form` without the defaults of its questions."""
    properties = {key: without_keys(inner, "default") for key, inner in form.get("properties", {}).items()}
    return {**form, "properties": properties} if properties else form


def line_schema(line: InsuranceType) -> Schema:
    """Return the form of `line`, retired questions included: their answers are still shown.

    A property called `vin` is checked as a VIN.
    """
    return {**with_vins(line.form_schema), "title": line.name, VERSION_KEY: line.schema_version}


def with_vins(schema: Schema) -> Schema:
    """Return `schema` with the format `vin` for each property `vin`, in place of a pattern."""
    if "items" in schema:
        return {**schema, "items": with_vins(schema["items"])}
    if "properties" not in schema:
        return schema
    properties = {
        key: {**without_keys(inner, "pattern"), "format": "vin"} if key == "vin" else with_vins(inner)
        for key, inner in schema["properties"].items()
    }
    return {**schema, "properties": properties}
