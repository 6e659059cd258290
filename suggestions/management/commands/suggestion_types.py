"""Tell what can be suggested."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from suggestions.kinds import KINDS
from suggestions.kinds.catalogue import catalogue


class Command(BaseCommand):
    help = "Tell what can be suggested, and what the content of each type holds: for people, or as JSON for programs."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("type", nargs="?", metavar="TYPE", help="only this one, such as TASK")
        parser.add_argument("--json", action="store_true", help="with the JSON Schema of each content")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["type"]
        if wanted is not None and wanted not in KINDS:
            raise CommandError(f"There is no type {wanted}. There are: {', '.join(sorted(KINDS))}.")
        entries = [entry for entry in catalogue() if wanted in (None, entry["type"])]
        if options["json"]:
            self.stdout.write(json.dumps(entries if wanted is None else entries[0], indent=2))
            return
        self.stdout.write("\n\n".join(map(told, entries)))


def told(entry: dict[str, Any]) -> str:
    """One type in a few lines."""
    reach = "reaches the outside world" if entry["outward"] else "stays in our database"
    undo = entry["cannot_be_undone"] or "Can be undone."
    head = [
        f"{entry['type']}: {entry['description']}",
        f"  It {reach}; who lets it happen needs {entry['permission']}.",
    ]
    return "\n".join([*head, f"  {undo}", *fields(entry["content"])])


def fields(schema: dict[str, Any]) -> list[str]:
    """A line for each field of a content."""
    needed = schema.get("required", [])
    return [
        f"  {name}{'' if name in needed else '?'}: {kind_of(about)}{said(about)}"
        for name, about in schema["properties"].items()
    ]


def kind_of(about: dict[str, Any]) -> str:
    """The type of a field, as short as it can be said."""
    if "enum" in about:
        return " | ".join(map(str, about["enum"]))
    if "anyOf" in about:
        return " | ".join(dict.fromkeys(kind_of(one) for one in about["anyOf"] if one.get("type") != "null"))
    if about.get("type") == "array":
        return f"list of {kind_of(about.get('items', {}))}"
    if "$ref" in about:
        return str(about["$ref"]).rpartition("/")[2]
    return str(about.get("format") or about.get("type", "anything"))


def said(about: dict[str, Any]) -> str:
    return f" ({about['description']})" if about.get("description") else ""
