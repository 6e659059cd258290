from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

MONEY_KEYS = frozenset(
    [
        "annual_payroll",
        "annual_revenue",
        "building_value",
        "contents_value",
        "coverage",
        "current_premium",
        "liability_limit",
        "limit",
        "paid",
        "replacement_cost",
        "value",
    ]
)
UNITS = {**dict.fromkeys(MONEY_KEYS, "$"), "annual_mileage": "miles"}


def with_units(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` with the units of the seeded questions; a question that has one keeps it."""
    if "items" in schema:
        return {**schema, "items": with_units(schema["items"])}
    if "properties" not in schema:
        return schema
    properties = {
        key: {"unit": UNITS[key], **inner}
        if key in UNITS and inner.get("type") in {"number", "integer"}
        else with_units(inner)
        for key, inner in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def add_units(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add the units. They change no data, so the lines keep their version: the trigger that counts it rests."""
    schema_editor.execute("ALTER TABLE insurance_types DISABLE TRIGGER USER")
    for line in apps.get_model("leads", "InsuranceType")._base_manager.all():
        line.form_schema = with_units(line.form_schema)
        line.save(update_fields=["form_schema"])
    schema_editor.execute("ALTER TABLE insurance_types ENABLE TRIGGER USER")


class Migration(migrations.Migration):
    dependencies = [("leads", "0004_scoring_policy")]

    # The unit is only shown, so going back may leave it.
    operations = [migrations.RunPython(add_units, migrations.RunPython.noop)]
