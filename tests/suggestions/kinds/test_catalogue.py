"""What can be suggested is told from the one definition of each type."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from jsonschema import Draft202012Validator

from suggestions.kinds import KINDS
from suggestions.kinds.catalogue import OUR_HINTS, catalogue
from suggestions.models import SuggestionType


def printed(*args) -> str:
    out = StringIO()
    call_command("suggestion_types", *args, stdout=out)
    return out.getvalue()


def test_every_type_is_there():
    assert {entry["type"] for entry in catalogue()} == set(SuggestionType.values) == set(KINDS)


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry["type"])
def test_a_type_is_told_with_a_schema_that_a_model_can_be_given(entry):
    Draft202012Validator.check_schema(entry["content"])
    assert entry["content"]["additionalProperties"] is False
    assert entry["description"].endswith(".")
    assert not entry["description"].startswith(entry["type"])
    assert not any(f'"{hint}":' in json.dumps(entry["content"]) for hint in OUR_HINTS)


@pytest.mark.parametrize("type", SuggestionType.values)
def test_what_the_schema_refuses_the_type_refuses_too(type):
    schema = next(entry["content"] for entry in catalogue() if entry["type"] == type)
    lie = {"nothing_of_the_kind": 1}
    assert not Draft202012Validator(schema).is_valid(lie)


def test_people_read_it():
    text = printed("TASK")
    assert text.startswith("TASK: Put a task on somebody's list.")
    assert "It stays in our database; who lets it happen needs leads.add_task." in text
    assert "title: string" in text
    assert "dueOn?: date" in text
    assert "PR: " not in text
    assert "urgency?: low | normal | high" in printed("FOLLOW_UP")
    assert "close it on the forge" in printed("PR")


def test_programs_read_it_as_json():
    assert json.loads(printed("--json")) == catalogue()
    assert json.loads(printed("--json", "PR"))["content"]["required"] == ["repository", "title", "head", "base"]


def test_a_type_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(CommandError, match="no type DREAM. There are: CHANGE_STATUS"):
        printed("DREAM")
