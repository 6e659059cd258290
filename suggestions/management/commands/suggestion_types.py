"""Tell what can be suggested."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from suggestions.catalogue import build_catalogue
from suggestions.kinds import offered_kinds


class Command(BaseCommand):
    help = "Tell what can be suggested, and what the content of each type holds: for people, or as JSON for programs."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("type", nargs="?", metavar="TYPE", help="only this one, such as TASK")
        parser.add_argument("--json", action="store_true", help="with the JSON Schema of each content")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted, offered = options["type"], offered_kinds()
        if wanted is not None and wanted not in offered:
            raise CommandError(f"There is no type {wanted}. There are: {', '.join(sorted(offered))}.")
        entries = [entry for entry in build_catalogue() if wanted in (None, entry["type"])]
        if options["json"]:
            self.stdout.write(json.dumps(entries if wanted is None else entries[0], indent=2))
            return
        self.stdout.write("\n\n".join(map(format_type, entries)))


def format_type(entry: dict[str, Any]) -> str:
    """One type in a few lines."""
    reach = "reaches the outside world" if entry["outward"] else "stays in our database"
    undo_note = entry["cannot_be_undone"] or "Can be undone."
    header = [
        f"{entry['type']}: {entry['description']}",
        f"  It {reach}; its approver needs {entry['permission']}.",
    ]
    return "\n".join([*header, f"  {undo_note}", *format_fields(entry["content"])])


def format_fields(schema: dict[str, Any]) -> list[str]:
    """A line for each field of a content."""
    required = schema.get("required", [])
    return [
        f"  {name}{'' if name in required else '?'}: {field_type(field_schema)}{format_description(field_schema)}"
        for name, field_schema in schema["properties"].items()
    ]


def field_type(field_schema: dict[str, Any]) -> str:
    """The type of a field, as short as it can be said."""
    if "enum" in field_schema:
        return " | ".join(map(str, field_schema["enum"]))
    if "anyOf" in field_schema:
        return " | ".join(dict.fromkeys(field_type(one) for one in field_schema["anyOf"] if one.get("type") != "null"))
    if field_schema.get("type") == "array":
        return f"list of {field_type(field_schema.get('items', {}))}"
    if "$ref" in field_schema:
        return str(field_schema["$ref"]).rpartition("/")[2]
    return str(field_schema.get("format") or field_schema.get("type", "anything"))


def format_description(field_schema: dict[str, Any]) -> str:
    return f" ({field_schema['description']})" if field_schema.get("description") else ""
