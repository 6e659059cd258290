"""The inputs of a content are made from its payload, whatever type it is of."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from django import forms
from django.http import QueryDict
from pydantic import Field

from suggestions.choices import Names
from suggestions.kinds import KINDS, Payload
from suggestions.models import SuggestionStatus, SuggestionType
from suggestions.screens.action_forms import Approve
from suggestions.screens.content_form import PREFIX, content_from, inputs_of, told_of
from suggestions.transitions import approve
from tests.cast import make_lead, make_suggestion


class Meeting(Enum):
    PHONE = "phone"
    VIDEO = "video"


class CallPayload(Payload):
    """A type of tomorrow: nothing in the form knows it."""

    suggestedTimes: list[datetime]
    duration: int = Field(default=30, ge=5, le=480)
    meetingType: Meeting = Meeting.PHONE
    amount: Decimal | None = None
    until: date | None = Field(default=None, title="Valid until")
    urgent: bool = False
    mood: Literal["calm", "keen"] = "calm"
    to: list[str] = Field(default=[], description="One address a line.")
    body: str = Field(default="", json_schema_extra={"widget": "textarea"})
    extra: dict[str, Any] = {}
    source: str = Field(default="", json_schema_extra={"readonly": True})


CONTENT = {
    "suggestedTimes": ["2026-12-01T09:30:00Z", "2026-12-02T10:00:00Z"],
    "duration": 45,
    "meetingType": "video",
    "amount": "1200.50",
    "until": "2026-12-24",
    "urgent": True,
    "mood": "keen",
    "to": ["a@example.com", "b@example.com"],
    "body": "Dear Lee,\n\nshall we?\n",
    "extra": {"room": [1, 2]},
    "source": "a mail",
}


def posted(fields, **changes) -> QueryDict:
    """What a browser sends for `fields` when somebody has made `changes`, line ends included."""
    form = type("Inputs", (forms.Form,), dict(fields))()
    data = QueryDict(mutable=True)
    for bound in form:
        value = changes.get(bound.name.removeprefix(PREFIX), bound.value())
        if value is not False:
            data[bound.name] = "on" if value is True else str(value).replace("\r\n", "\n").replace("\n", "\r\n")
    return data


def sent(content, payload=CallPayload, **changes) -> dict[str, Any]:
    """The content that comes back from a form that held `content`."""
    fields = inputs_of(payload, content, Names())
    form = type("Inputs", (forms.Form,), dict(fields))(posted(fields, **changes))
    assert form.is_valid(), form.errors
    return content_from(payload, form.fields, form.cleaned_data, content)


def test_what_is_left_alone_comes_back_as_it_was():
    assert sent(CONTENT) == CONTENT
    odd = {**CONTENT, "body": "A line\r\nanother\n", "to": ["a@example.com ", ""], "suggestedTimes": []}
    assert sent(odd) == odd


def test_every_type_of_field_can_be_changed():
    changed = sent(
        CONTENT,
        suggestedTimes="2026-12-03T08:00",
        duration="60",
        meetingType="phone",
        amount="",
        until="2027-01-02",
        urgent=False,
        to="c@example.com\n\n d@example.com ",
        body="No.",
        extra='{"room": 3}',
    )
    payload = CallPayload.model_validate(changed)
    assert payload.suggestedTimes == [datetime(2026, 12, 3, 8, tzinfo=UTC)]
    assert (payload.duration, payload.meetingType, payload.amount) == (60, Meeting.PHONE, None)
    assert (payload.until, payload.urgent, payload.mood) == (date(2027, 1, 2), False, "keen")
    assert payload.to == ["c@example.com", "d@example.com"]
    assert (payload.body, payload.extra, payload.source) == ("No.", {"room": 3}, "a mail")


def test_a_field_that_is_only_read_cannot_be_sent():
    fields = inputs_of(CallPayload, CONTENT, Names())
    assert PREFIX + "source" not in fields


def test_labels_hints_and_choices_come_from_the_payload():
    fields = inputs_of(CallPayload, CONTENT, Names())
    assert fields["content.until"].label == "Valid until"
    assert fields["content.meetingType"].label == "Meeting type"
    assert fields["content.meetingType"].widget.choices == [("", "—"), ("phone", "phone"), ("video", "video")]
    assert fields["content.to"].help_text == "One address a line."
    assert isinstance(fields["content.body"].widget, forms.Textarea)
    assert fields["content.until"].widget.input_type == "date"


def test_a_moment_is_shown_on_the_clock_of_the_house(settings):
    settings.TIME_ZONE = "America/New_York"

    class Once(Payload):
        at: datetime

    content = {"at": "2026-12-01T14:30:20Z"}
    assert inputs_of(Once, content, Names())["content.at"].initial == "2026-12-01T09:30"
    assert sent(content, Once) == content
    later = Once.model_validate(sent(content, Once, at="2026-12-01T10:00"))
    assert later.at == datetime(2026, 12, 1, 15, 0, tzinfo=UTC)


def test_a_choice_that_is_no_longer_offered_is_kept(ann):
    suggestion = make_suggestion(lead=make_lead(), suggested_content={"title": "x", "assignee": "ann"})
    ann.is_active = False
    ann.save()
    field = Approve(user=ann, record=suggestion).fields["content.assignee"]
    assert ("ann", "ann (no longer offered)") in field.widget.choices


def test_it_is_read_in_the_order_and_the_words_of_the_payload(ann):
    payload = KINDS[SuggestionType.TASK].Payload
    told = told_of(payload, {"assignee": "ann", "dueOn": "2026-12-01", "title": "Call", "odd": 1}, Names())
    assert told == [("Title", "Call"), ("Due on", "1 Dec 2026"), ("Assignee", "Ann"), ("Odd", 1)]
    assert told_of(payload, ["no", "task"], Names()) == [("Content", ["no", "task"])]


@pytest.mark.parametrize("kind", list(KINDS.values()))
def test_every_kind_survives_its_own_form(kind, ada, settings):
    settings.FORGE_URL, settings.FORGE_TOKEN = "https://forge.example.com", "secret"
    suggestion = make_suggestion(kind.type)
    form = Approve(user=ada, record=suggestion)
    fields = {name: field for name, field in form.fields.items() if name.startswith(PREFIX)}
    data = posted(fields)
    data["with_content"] = "1"
    form = Approve(data, user=ada, record=suggestion)
    assert form.is_valid(), form.errors
    approve(suggestion, by=ada, content=form.content)
    assert suggestion.status == SuggestionStatus.APPROVED


def test_nothing_of_what_is_decided_about_comes_from_the_address_of_the_page(ann, as_ann):
    """Anybody can write a link; what stands in the form is what was proposed."""
    suggestion = make_suggestion(lead=make_lead(assigned_to=ann), suggested_content={"title": "Call back"})
    address = f"/suggestions/suggestion/{suggestion.pk}/do/approve/"
    shown = as_ann.get(f"{address}?content.title=Pay+them&note=Quickly&confirmed=x&with_content=1").content.decode()
    assert 'value="Call back"' in shown
    assert "Pay them" not in shown and "Quickly" not in shown
