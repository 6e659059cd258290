"""What a JSON Schema says about its values. Pure: no form, no database.

Besides the standard keys, a schema may hold hints for people's forms:

- `widget`: "textarea" for long text, "lines" for a list with one entry a line, "json" for JSON as text
- `choices`: the name of a source of choices, which the caller looks up
- `labels`: the label of each choice of an `enum`
- `colours`: the colour of the badge of each choice of an `enum`
- `retiredChoices`: choices of an `enum` that are valid and no longer offered
- `section`: the heading above the input; inputs of one section stand together
- `blank`: the label of the empty choice
- `unit`: what the number counts, such as "$" or "miles"
- `spareRows`: how many empty rows a table offers for new entries
- `readonly`: the value is shown and has no input, or one that is disabled
- `refersTo`: the table (a model label) of the record that the value names by its key
- `names`: what the reader reads in place of such a key: `names[key]` has a `text` and a `url`
- `propertyOrder`: the order of the properties, where the schema is stored as JSONB
"""

import json
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
# The version of the schema that saved data was written under.
VERSION_KEY = "schema_version"
MAX_ABBREVIATION_LENGTH, VOWELS = 4, frozenset("aeiouy")


def ordered_properties(schema: Schema) -> dict[str, Schema]:
    """Return the properties of `schema` in its `propertyOrder`, because JSONB keeps no order."""
    schema_properties, order = schema.get("properties", {}), schema.get("propertyOrder", [])
    return {
        key: schema_properties[key]
        for key in [*(k for k in order if k in schema_properties), *(k for k in schema_properties if k not in order)]
    }


def property_label(key: str, schema: Schema) -> str:
    """Return the title of a property, or its key as words."""
    return schema.get("title") or key.replace("_", " ").strip().capitalize()


def choice_label(value: Any, schema: Schema | None = None) -> str:
    """Return a choice of an `enum` for reading: by `labels`, or "in person" as "In person", "sms" as "SMS"."""
    labels = (schema or {}).get("labels", {})
    if value in labels:
        return labels[value]
    text = str(value).replace("_", " ").strip()
    if text != text.lower():
        return text
    is_abbreviation = len(text) <= MAX_ABBREVIATION_LENGTH and text.isalpha() and not set(text) & VOWELS
    return text.upper() if is_abbreviation else text[:1].upper() + text[1:]


def offered_choices(schema: Schema) -> list[Any]:
    """Return the choices of an `enum` without the retired ones."""
    return [value for value in schema["enum"] if value not in schema.get("retiredChoices", ())]


def is_object(schema: Schema) -> bool:
    """Whether each property of the object `schema` has an input of its own."""
    return schema.get("type") == "object" and schema.get("widget") != "json"


def is_object_list(schema: Schema) -> bool:
    return schema.get("type") == "array" and schema.get("items", {}).get("type") == "object"


def is_choice_list(schema: Schema) -> bool:
    return schema.get("type") == "array" and "enum" in schema.get("items", {})


def is_datetime_list(schema: Schema) -> bool:
    return schema.get("type") == "array" and schema.get("items", {}).get("format") == "date-time"


def simplify_schema(schema: Schema, definitions: Mapping[str, Schema] | None = None) -> Schema:
    """Return `schema` without references and alternatives, such as pydantic writes them.

    `X or null` becomes X with `nullable`, a decimal (number or text) becomes a number of the format "decimal";
    what allows other alternatives, or any type, is edited as JSON.
    """
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        target = {key: value for key, value in definitions[schema["$ref"].rpartition("/")[2]].items() if key != "title"}
        return simplify_schema({**target, **without_keys(schema, "$ref")}, definitions)
    if "anyOf" in schema:
        return simplify_alternatives(schema, definitions)
    if "const" in schema:
        schema = {**without_keys(schema, "const"), "enum": [schema["const"]]}
    if "properties" in schema:
        inner = {key: simplify_schema(value, definitions) for key, value in schema["properties"].items()}
        schema = {**without_keys(schema, "$defs"), "properties": inner}
    if "items" in schema:
        schema = {**schema, "items": simplify_schema(schema["items"], definitions)}
    has_any_value = not {"type", "enum"} & set(schema) or (
        schema.get("type") == "object" and "properties" not in schema
    )
    return {**schema, "widget": "json"} if has_any_value else schema


def simplify_alternatives(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return `schema` with its `anyOf` replaced by the one alternative that people type."""
    rest = without_keys(schema, "anyOf")
    some = [simplify_schema(one, definitions) for one in schema["anyOf"] if one.get("type") != "null"]
    if len(some) < len(schema["anyOf"]):
        rest["nullable"] = True
    if len(some) == 1:
        return {**some[0], **rest}
    if {one.get("type") for one in some} == {"number", "string"}:
        return {"type": "number", "format": "decimal", **rest}
    return {"widget": "json", **rest}


def without_keys(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def json_value_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
