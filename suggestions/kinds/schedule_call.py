"""SCHEDULE_CALL: invite to a call or a meeting, and book it."""

from datetime import datetime, timedelta
from typing import Any, Literal

from django.utils import timezone
from icalendar import Calendar, Event, vCalAddress, vText
from pydantic import AwareDatetime, Field, field_serializer

from crm.exceptions import BadInput, refusing
from crm.models import Client, User
from crm.records.activity import Actor, record
from crm.text.addresses import domain
from inbox.email_templates.placeholders import values_for
from inbox.incoming.parsing import File
from inbox.models import Thread, ThreadSource
from inbox.outgoing.outbox import written_by
from leads.models import Lead
from suggestions.choices import Names
from suggestions.kinds.base import Payload
from suggestions.kinds.email import Draft, MailKind, fill, own_address, signed, whom
from suggestions.models import Suggestion, SuggestionExecution, SuggestionType

HOW = {"phone": "phone call", "video": "video call", "in person": "meeting"}


class ScheduleCallPayload(Payload):
    suggestedTimes: list[AwareDatetime] = Field(
        min_length=1,
        max_length=5,
        title="Times",
        description="The first is booked, the others are offered.",
    )
    duration: int = Field(default=30, ge=5, le=480, title="Minutes")
    meetingType: Literal["phone", "video", "in person"] = Field(default="phone", title="How")
    location: str = Field(default="", max_length=300, title="Where", description="A number, a link or an address.")
    message: str = Field(default="", max_length=5_000, json_schema_extra={"widget": "textarea"})

    @field_serializer("suggestedTimes", when_used="json")
    def as_python_writes_them(self, times: list[datetime]) -> list[str]:
        return [at.isoformat() for at in times]


class ScheduleCallKind(MailKind):
    type = SuggestionType.SCHEDULE_CALL
    Payload = ScheduleCallPayload
    gist, brief = "meetingType", "Invite: {}"

    @classmethod
    def guard(cls, payload: ScheduleCallPayload, suggestion: Suggestion) -> None:
        now = timezone.now()
        if past := [said(at) for at in payload.suggestedTimes if at <= now]:
            raise BadInput(f"{past[0]} is past: suggest times in the future.")
        if len(set(payload.suggestedTimes)) != len(payload.suggestedTimes):
            raise BadInput("The same time is suggested twice.")
        super().guard(payload, suggestion)

    @classmethod
    def recipients(cls, payload: ScheduleCallPayload, suggestion: Suggestion) -> list[str]:
        return own_address(suggestion)

    @classmethod
    def sentence(cls, payload: ScheduleCallPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        target = suggestion.lead or suggestion.client or "the lead"
        how = HOW[payload.meetingType]
        return f"Invites {target} to a {how} of {payload.duration} minutes on {said(payload.suggestedTimes[0])}."

    @classmethod
    def prose(cls, payload: ScheduleCallPayload, suggestion: Suggestion) -> str:
        """What somebody wrote into it; the rest is worded here."""
        return "\n\n".join(filter(None, (payload.location, payload.message)))

    @classmethod
    def draft(cls, payload: ScheduleCallPayload, suggestion: Suggestion, sender: User | None) -> Draft:
        to, target = own_address(suggestion), whom(suggestion)
        at = said(payload.suggestedTimes[0])
        return Draft(
            to=to,
            subject=f"Invitation: {HOW[payload.meetingType]}, {at}",
            text=invitation_text(payload, suggestion, target, sender),
        )

    @classmethod
    def files(cls, payload: ScheduleCallPayload, suggestion: Suggestion, sender: User | None) -> list[File]:
        return [File("invitation.ics", "text/calendar", calendar(payload, suggestion, sender), inline=True)]

    @classmethod
    def arrived(
        cls, payload: ScheduleCallPayload, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> dict[str, Any]:
        result = super().arrived(payload, suggestion, execution, by=by)
        return {**result, "meeting": str(booked(payload, suggestion, by=by).pk)}


def booked(payload: ScheduleCallPayload, suggestion: Suggestion, *, by: Actor) -> Thread:
    """The meeting as a conversation that is yet to be held."""
    start = payload.suggestedTimes[0]
    thread = Thread(
        source=ThreadSource.MEETING,
        subject=f"{HOW[payload.meetingType].capitalize()}, {said(start)}",
        lead=suggestion.lead,
        client=suggestion.client,
        project=suggestion.project,
        participant_emails=own_address_or_none(suggestion),
        metadata={
            "starts_at": start.isoformat(),
            "duration": payload.duration,
            "location": place(payload, suggestion),
            "uid": uid(suggestion),
            "sequence": 0,
        },
    )
    with refusing():
        thread.full_clean()
        thread.save(force_insert=True)
    about = suggestion.lead or suggestion.client or thread
    record(thread, "booked", about=about, by=by, summary=f"Booked: {thread}")
    return thread


def own_address_or_none(suggestion: Suggestion) -> list[str]:
    """Whoever it went to has it, even if they were deleted since."""
    target = suggestion.lead or suggestion.client
    found = getattr(target, "contact_email", None) or getattr(target, "email", None)
    return [found] if found else []


def said(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{local:%a %-d %b %Y, %H:%M %Z}"


def place(payload: ScheduleCallPayload, suggestion: Suggestion) -> str:
    """Where it takes place: what was said, or the number that is called."""
    target = suggestion.lead or suggestion.client
    if payload.location or payload.meetingType != "phone":
        return payload.location
    return str(getattr(target, "contact_phone", "") or getattr(target, "phone", ""))


def invitation_text(
    payload: ScheduleCallPayload, suggestion: Suggestion, target: Lead | Client, sender: User | None
) -> str:
    values = values_for(target, sender)
    message = (
        fill(payload.message, suggestion, sender) or f"I would like to invite you to a {HOW[payload.meetingType]}."
    )
    where = place(payload, suggestion)
    parts = [
        f"Hello {values['first_name'] or values['lead_name']},",
        message,
        f"When: {said(payload.suggestedTimes[0])}\nHow long: {payload.duration} minutes"
        + (f"\nWhere: {where}" if where else ""),
    ]
    if others := payload.suggestedTimes[1:]:
        parts.append(
            "If that does not suit you, these times would, too:\n" + "\n".join(f"- {said(at)}" for at in others)
        )
    return "\n\n".join([*parts, signed(sender)])


def uid(suggestion: Suggestion) -> str:
    """The same for every attempt at the same invitation, so that calendars know it again."""
    return f"{suggestion.pk}@{domain()}"


def calendar(payload: ScheduleCallPayload, suggestion: Suggestion, sender: User | None) -> bytes:
    """The invitation to the first of the times, as calendars read it (RFC 5546, METHOD:REQUEST)."""
    start = timezone.localtime(payload.suggestedTimes[0])
    name, ours, answer = written_by(sender)
    event = Event()
    event.add("uid", uid(suggestion))
    event.add("sequence", 0)
    # Of two invitations to the same the later one counts.
    event.add("dtstamp", suggestion.reviewed_at or suggestion.created_at)
    event.add("dtstart", start)
    event.add("dtend", start + timedelta(minutes=payload.duration))
    event.add("summary", HOW[payload.meetingType].capitalize() + f" with {name}")
    event.add("status", "CONFIRMED")
    if where := place(payload, suggestion):
        event.add("location", where)
    event.add("organizer", party(answer or ours, name), encode=0)
    for one in own_address(suggestion):
        event.add("attendee", party(one, "", ROLE="REQ-PARTICIPANT", PARTSTAT="NEEDS-ACTION", RSVP="TRUE"), encode=0)
    whole = Calendar()
    whole.add("prodid", f"-//{domain()}//CRM//EN")
    whole.add("version", "2.0")
    whole.add("method", "REQUEST")
    whole.add_component(event)
    whole.add_missing_timezones()
    return whole.to_ical()


def party(address: str, name: str, **parameters: str) -> vCalAddress:
    found = vCalAddress(f"mailto:{address}")
    if name:
        found.params["cn"] = vText(name)
    for key, value in parameters.items():
        found.params[key.lower()] = vText(value)
    return found
