"""Whatever is put into the content of whatever type is refused with a sentence, or shown as what it is."""

from contextlib import suppress
from inspect import isabstract
from typing import Any

import pytest
from django.urls import reverse
from django.utils.html import escape

from crm.exceptions import ActionRefused, InvalidInput
from suggestions.kinds import KINDS
from suggestions.kinds.base import InvalidContent
from suggestions.models import ExecutionState, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, run_execution
from tests.cast import browser, make_lead, make_suggestion, make_thread, make_ticket
from tests.suggestions.kinds.held_execution import approve_while_paused, resume_and_run

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
INSIDE = [type for type, kind in KINDS.items() if not kind.is_outward]


@pytest.fixture(autouse=True)
def a_forge(settings):
    settings.FORGE_URL, settings.FORGE_TOKEN = "http://127.0.0.1:9", "secret"


def nested_list(levels: int) -> Any:
    nested: Any = "end"
    for _ in range(levels):
        nested = [nested]
    return nested


def valid_content(type: str) -> dict[str, Any]:
    """A content of `type` that was taken; the suggestion it is from is turned down."""
    return make_suggestion(type).suggested_content


def text_fields(content: dict[str, Any]) -> list[str]:
    return [name for name, value in content.items() if isinstance(value, str)]


def refusal_message(type: str, content: Any) -> str:
    """The sentence with which `content` is refused."""
    with pytest.raises(InvalidContent) as error:
        KINDS[type].parse_content(content)
    sentence = str(error.value)
    sentence.encode()
    assert "Traceback" not in sentence
    assert 0 < len(sentence) < 3_000
    return sentence


@pytest.mark.parametrize("type", KINDS)
def test_kind_defines_every_abstract_method(type):
    assert not isabstract(KINDS[type])


@pytest.mark.parametrize("type", KINDS)
def test_null_in_an_optional_field_is_left_out(db, type):
    content = valid_content(type)
    for name, field in KINDS[type].Payload.model_fields.items():
        if field.is_required():
            assert f"{name}: " in refusal_message(type, content | {name: None})
            continue
        left_out = {key: value for key, value in content.items() if key != name}
        try:
            payload = KINDS[type].parse_content(left_out)
        except InvalidContent as refusal:  # of two optional fields one is needed
            assert refusal_message(type, content | {name: None}) == str(refusal)
        else:
            assert KINDS[type].parse_content(content | {name: None}) == payload


@pytest.mark.parametrize("type", KINDS)
def test_non_object_content_is_refused(db, type):
    before = Suggestion.objects.count()
    for content in (None, 7, "a text", [], [{"title": "x"}], True):
        refusal_message(type, content)
        with pytest.raises(InvalidInput):
            make_suggestion(type, suggested_content=content)
    assert Suggestion.objects.count() == before


@pytest.mark.parametrize("type", KINDS)
def test_content_of_another_type_is_refused(db, type):
    content = valid_content(type)
    for other in KINDS:
        if other != type:
            assert "Traceback" not in refusal_message(other, content)


@pytest.mark.parametrize("type", KINDS)
def test_unknown_field_is_refused_by_name(db, type):
    content = valid_content(type)
    assert "colour: There is no such field." in refusal_message(type, {**content, "colour": "red"})
    refusal_message(type, {**content, "\ud800\x00" * 100: 1})
    refusal_message(type, {**content, **{f"field{number}": 1 for number in range(10_000)}})


@pytest.mark.parametrize("type", KINDS)
def test_every_field_refuses_garbage(db, type):
    content = valid_content(type)
    for name in text_fields(content):
        for rubbish in (
            "x" * 1_000_000,
            "nul\x00l",
            "half \ud800",
            nested_list(5_000),
            {"__class__": {"a": [1]}},
            [["x"]],
        ):
            assert refusal_message(type, {**content, name: rubbish}).startswith(f"{name}: "), (name, str(rubbish)[:20])


def assert_pages_are_safe(suggestion: Suggestion, user) -> str:
    """Its page and the queue with it, in which nothing runs."""
    pages = [
        browser(user).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])),
        browser(user).get(reverse("admin:suggestions_suggestion_changelist") + f"?show={suggestion.pk}"),
    ]
    html = "".join(page.content.decode() for page in pages)
    assert [page.status_code for page in pages] == [200, 200]
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "for-development-only" not in html
    return html


@pytest.mark.parametrize("words", [SCRIPT, "{{__class__}} {{ settings.SECRET_KEY }} {% load x %}"])
@pytest.mark.parametrize("type", KINDS)
def test_script_in_content_is_refused_or_escaped(ada, type, words):
    first = make_suggestion(type)
    about = {name: getattr(first, name) for name in ("lead", "client", "thread", "ticket")}
    Suggestion.objects.filter(pk=first.pk).delete()
    taken = []
    for name in text_fields(first.suggested_content):
        with suppress(ActionRefused):
            content = {**first.suggested_content, name: words}
            taken.append(make_suggestion(type, suggested_content=content, **about))
            assert escape(words.split()[0]) in assert_pages_are_safe(taken[-1], ada)
            taken[-1].delete()
    fixed = {SuggestionType.LINK_THREAD}
    # An unknown placeholder goes into no mail, and so into no suggestion of one.
    if words == SCRIPT and type not in fixed:
        assert taken


@pytest.mark.parametrize("type", KINDS)
def test_script_in_related_records_is_escaped(ada, type):
    lead = make_lead(contact_name=SCRIPT)
    thread = make_thread(subject=SCRIPT)
    about = {"thread": thread} if type in (SuggestionType.LINK_THREAD, SuggestionType.CREATE_LEAD) else {}
    if type == SuggestionType.RESOLVE_TICKET:
        about["ticket"] = make_ticket(subject=SCRIPT)
    suggestion = make_suggestion(type, lead=None if type == SuggestionType.CREATE_LEAD else lead, **about)
    assert escape(SCRIPT)[:20] in assert_pages_are_safe(suggestion, ada)


@pytest.mark.parametrize("type", INSIDE)
def test_execution_runs_once(ada, type):
    suggestion = make_suggestion(type)
    execution = approve_while_paused(suggestion, ada)
    assert resume_and_run(suggestion, execution).state == ExecutionState.SUCCEEDED
    was, version = suggestion.result, suggestion.executed_at
    run_execution(execution.pk)
    suggestion.refresh_from_db()
    assert (suggestion.result, suggestion.executed_at) == (was, version)
    with pytest.raises(ActionRefused, match="already approved"):
        approve(suggestion, by=ada)
    assert suggestion.executions.count() == 1


@pytest.mark.parametrize("type", INSIDE)
def test_permission_revoked_before_execution_fails(ada, type):
    suggestion = make_suggestion(type)
    execution = approve_while_paused(suggestion, ada)
    ada.groups.clear()
    ada.is_superuser = False
    ada.save()
    assert resume_and_run(suggestion, execution).state == ExecutionState.FAILED
    assert suggestion.status == SuggestionStatus.FAILED
    assert suggestion.error_message == "Ada may not decide suggestions any more."
    assert suggestion.result is None
