"""What can be suggested is told from the one definition of each type."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from jsonschema import Draft202012Validator

from suggestions.catalogue import SCREEN_HINTS, build_catalogue, catalogue_entry
from suggestions.kinds import KINDS
from suggestions.models import SuggestionType


def command_output(*args) -> str:
    out = StringIO()
    call_command("suggestion_types", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def a_forge(settings):
    settings.FORGE_URL, settings.FORGE_TOKEN = "http://127.0.0.1:9", "secret"


def test_catalogue_lists_pull_requests_only_with_a_forge(settings, a_forge):
    assert "PR" in {entry["type"] for entry in build_catalogue()}
    settings.FORGE_TOKEN = ""
    assert {entry["type"] for entry in build_catalogue()} == set(SuggestionType.values) - {"PR"}
    with pytest.raises(CommandError, match="no type PR"):
        command_output("PR")


def test_catalogue_lists_every_type(a_forge):
    assert {entry["type"] for entry in build_catalogue()} == set(SuggestionType.values) == set(KINDS)


@pytest.mark.parametrize("type", KINDS)
def test_each_type_has_a_valid_json_schema(type):
    entry = catalogue_entry(KINDS[type])
    Draft202012Validator.check_schema(entry["content"])
    assert entry["content"]["additionalProperties"] is False
    assert entry["description"].endswith(".")
    assert not entry["description"].startswith(entry["type"])
    assert not any(f'"{hint}":' in json.dumps(entry["content"]) for hint in SCREEN_HINTS)


@pytest.mark.parametrize("type", SuggestionType.values)
def test_schema_rejects_unknown_fields(type):
    schema = catalogue_entry(KINDS[type])["content"]
    lie = {"nothing_of_the_kind": 1}
    assert not Draft202012Validator(schema).is_valid(lie)


def test_command_prints_readable_catalogue(a_forge):
    text = command_output("TASK")
    assert text.startswith("TASK: Add a task for a member of staff.")
    assert "It stays in our database; its approver needs leads.add_task." in text
    assert "title: string" in text
    assert "dueOn?: date" in text
    assert "PR: " not in text
    assert "urgency?: low | medium | high" in command_output("FOLLOW_UP")
    assert "close it on the forge" in command_output("PR")


def test_command_prints_json(a_forge):
    assert json.loads(command_output("--json")) == build_catalogue()
    assert json.loads(command_output("--json", "PR"))["content"]["required"] == ["repository", "title", "head", "base"]


def test_unknown_type_is_refused_with_list_of_types():
    with pytest.raises(CommandError, match="no type DREAM. There are: CHANGE_STATUS"):
        command_output("DREAM")
