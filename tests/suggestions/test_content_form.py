"""The inputs of a content are made from its payload, whatever type it is of."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from django import forms
from django.http import QueryDict
from pydantic import Field

from suggestions.choices import LabelCache
from suggestions.kinds import KINDS, Payload
from suggestions.models import SuggestionStatus, SuggestionType
from suggestions.screens.action_forms import Approve
from suggestions.screens.content_form import CONTENT_PREFIX, build_content_inputs, read_content, readable_fields
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


def form_data(fields, **changes) -> QueryDict:
    """Return what a browser sends for `fields` after a user made `changes`, with its line ends."""
    form = type("Inputs", (forms.Form,), dict(fields))()
    data = QueryDict(mutable=True)
    for bound in form:
        value = changes.get(bound.name.removeprefix(CONTENT_PREFIX), bound.value())
        if value is not False:
            data[bound.name] = "on" if value is True else str(value).replace("\r\n", "\n").replace("\n", "\r\n")
    return data


def round_trip(content, payload=CallPayload, **changes) -> dict[str, Any]:
    """The content that comes back from a form that held `content`."""
    fields = build_content_inputs(payload, content, LabelCache())
    form = type("Inputs", (forms.Form,), dict(fields))(form_data(fields, **changes))
    assert form.is_valid(), form.errors
    return read_content(payload, form.fields, form.cleaned_data, content)


def test_unchanged_form_returns_same_content():
    assert round_trip(CONTENT) == CONTENT
    odd = {**CONTENT, "body": "A line\r\nanother\n", "to": ["a@example.com ", ""], "suggestedTimes": []}
    assert round_trip(odd) == odd


def test_every_field_type_can_be_edited():
    changed = round_trip(
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


def test_read_only_field_cannot_be_posted():
    fields = build_content_inputs(CallPayload, CONTENT, LabelCache())
    assert CONTENT_PREFIX + "source" not in fields


def test_labels_and_choices_come_from_payload():
    fields = build_content_inputs(CallPayload, CONTENT, LabelCache())
    assert fields["content.until"].label == "Valid until"
    assert fields["content.meetingType"].label == "Meeting type"
    assert fields["content.meetingType"].widget.choices == [("", "—"), ("phone", "Phone"), ("video", "Video")]
    assert fields["content.to"].help_text == "One address a line."
    assert isinstance(fields["content.body"].widget, forms.Textarea)
    assert fields["content.until"].widget.input_type == "date"


def test_datetime_field_uses_the_agency_time_zone(settings):
    settings.TIME_ZONE = "America/New_York"

    class Once(Payload):
        at: datetime

    content = {"at": "2026-12-01T14:30:20Z"}
    assert build_content_inputs(Once, content, LabelCache())["content.at"].initial == "2026-12-01T09:30"
    assert round_trip(content, Once) == content
    later = Once.model_validate(round_trip(content, Once, at="2026-12-01T10:00"))
    assert later.at == datetime(2026, 12, 1, 15, 0, tzinfo=UTC)


def test_removed_choice_is_kept(ann):
    suggestion = make_suggestion(lead=make_lead(), suggested_content={"title": "x", "assignee": "ann"})
    ann.is_active = False
    ann.save()
    field = Approve(user=ann, record=suggestion).fields["content.assignee"]
    assert ("ann", "ann (no longer offered)") in field.widget.choices


def test_content_is_described_in_payload_order(ann):
    payload = KINDS[SuggestionType.TASK].Payload
    told = readable_fields(payload, {"assignee": "ann", "dueOn": "2026-12-01", "title": "Call", "odd": 1}, LabelCache())
    assert told == [("Title", "Call"), ("Due on", "1 Dec 2026"), ("Assignee", "Ann"), ("Odd", 1)]
    assert readable_fields(payload, ["no", "task"], LabelCache()) == [("Content", ["no", "task"])]


@pytest.mark.parametrize("kind", list(KINDS.values()))
def test_every_kind_round_trips_through_its_form(kind, ada, settings):
    settings.FORGE_URL, settings.FORGE_TOKEN = "https://forge.example.com", "secret"
    suggestion = make_suggestion(kind.type)
    form = Approve(user=ada, record=suggestion)
    fields = {name: field for name, field in form.fields.items() if name.startswith(CONTENT_PREFIX)}
    data = form_data(fields)
    data["with_content"] = "1"
    form = Approve(data, user=ada, record=suggestion)
    assert form.is_valid(), form.errors
    approve(suggestion, by=ada, content=form.content)
    assert suggestion.status == SuggestionStatus.APPROVED


def test_query_string_does_not_prefill_content(ann, as_ann):
    """Anybody can write a link; what stands in the form is what was proposed."""
    suggestion = make_suggestion(lead=make_lead(assigned_to=ann), suggested_content={"title": "Call back"})
    address = f"/suggestions/suggestion/{suggestion.pk}/do/approve/"
    shown = as_ann.get(f"{address}?content.title=Pay+them&note=Quickly&confirmed=x&with_content=1").content.decode()
    assert 'value="Call back"' in shown
    assert "Pay them" not in shown and "Quickly" not in shown
