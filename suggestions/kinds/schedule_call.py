"""SCHEDULE_CALL: invite the lead or client to a call or a meeting, and book it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.utils import timezone
from django.utils.text import capfirst
from pydantic import AwareDatetime, Field, field_serializer, field_validator, model_validator

from crm.exceptions import InvalidInput, errors_as_invalid_input
from crm.models import Client, User
from crm.records.activity import Actor, record
from crm.records.local_time import agency_time, format_agency_moment
from crm.runtime.lazy_module import LazyModule
from crm.text.addresses import agency_domain
from inbox.email_templates.placeholders import placeholder_values
from inbox.email_templates.signatures import load_signature
from inbox.incoming.parsing import EmailFile
from inbox.models import Thread, ThreadSource
from inbox.outgoing.outbox import sender_headers
from leads.models import Lead
from suggestions.choices import LabelCache
from suggestions.kinds.base import Payload
from suggestions.kinds.email import (
    EmailDraft,
    EmailKind,
    email_signature,
    fill_for_recipient,
    recipient_addresses,
    require_recipient,
)
from suggestions.models import Suggestion, SuggestionExecution, SuggestionType

# Only an invitation needs it, and every command would wait for its import.
icalendar = LazyModule("icalendar")
MEETING_LABELS = {"phone": "phone call", "video": "video call", "in person": "meeting"}
CHANNEL_BY_NAME = {**{name: name for name in MEETING_LABELS}, **{label: name for name, label in MEETING_LABELS.items()}}


class ScheduleCallPayload(Payload):
    suggestedTimes: list[AwareDatetime] = Field(
        min_length=1,
        max_length=5,
        title="Times",
        description="The first is booked, the others are offered.",
    )
    duration: int = Field(default=30, ge=5, le=480, title="Minutes")
    meetingType: str = Field(
        default="", max_length=60, title="Purpose", description="Such as discovery or policy review."
    )
    channel: Literal["phone", "video", "in person"] = Field(default="phone", title="How")
    location: str = Field(default="", max_length=300, title="Where", description="A number, a link or an address.")
    message: str = Field(default="", max_length=5_000, json_schema_extra={"widget": "textarea"})

    @model_validator(mode="before")
    @classmethod
    def read_channel_in_purpose(cls, content: Any) -> Any:
        """Take a meeting type that names a channel as the channel, unless there is one."""
        if not isinstance(content, dict) or content.get("channel") or not isinstance(content.get("meetingType"), str):
            return content
        name = content["meetingType"][:60].lower().replace("_", " ").replace("-", " ").strip()
        if name not in CHANNEL_BY_NAME:
            return content
        return {**content, "meetingType": "", "channel": CHANNEL_BY_NAME[name]}

    @field_validator("meetingType")
    @classmethod
    def check_one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("This must be one line.")
        return value

    @property
    def meeting_name(self) -> str:
        """Return what to call the meeting: "phone call", or "discovery phone call" with a purpose."""
        label, purpose = MEETING_LABELS[self.channel], self.meetingType.replace("_", " ").strip()
        purpose = purpose.lower() if purpose.isupper() else purpose
        if not purpose:
            return label
        return purpose if purpose.lower().endswith(("call", "meeting")) else f"{purpose} {label}"

    @field_serializer("suggestedTimes", when_used="json")
    def serialize_times(self, times: list[datetime]) -> list[str]:
        return [at.isoformat() for at in times]


class ScheduleCallKind(EmailKind):
    type = SuggestionType.SCHEDULE_CALL
    Payload = ScheduleCallPayload
    summary_field, summary_format = "meetingType", "Purpose: {}"

    @classmethod
    def guard(cls, payload: ScheduleCallPayload, suggestion: Suggestion) -> None:
        now = timezone.now()
        if past := [format_meeting_time(at) for at in payload.suggestedTimes if at <= now]:
            raise InvalidInput(f"{past[0]} is past: suggest times in the future.")
        if len(set(payload.suggestedTimes)) != len(payload.suggestedTimes):
            raise InvalidInput("The same time is suggested twice.")
        super().guard(payload, suggestion)

    @classmethod
    def recipients(cls, payload: ScheduleCallPayload, suggestion: Suggestion) -> list[str]:
        return recipient_addresses(suggestion)

    @classmethod
    def contact_channels(cls, payload: ScheduleCallPayload) -> frozenset[str]:
        return frozenset({"email", "phone"} if payload.channel == "phone" else {"email"})

    @classmethod
    def urgency(cls, payload: ScheduleCallPayload) -> int:
        return 3

    @classmethod
    def sentence(cls, payload: ScheduleCallPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        target = suggestion.lead or suggestion.client or "the lead"
        at = format_meeting_time(payload.suggestedTimes[0])
        by = "" if payload.meeting_name.endswith(MEETING_LABELS[payload.channel]) else f" ({payload.channel})"
        return f"Invite {target} to a {payload.meeting_name}{by} of {payload.duration} minutes on {at}."

    @classmethod
    def outgoing_text(cls, payload: ScheduleCallPayload, suggestion: Suggestion) -> str:
        """Return what the proposer wrote; the rest of the email is worded here."""
        return "\n\n".join(filter(None, (payload.meetingType, payload.location, payload.message)))

    @classmethod
    def draft(
        cls, payload: ScheduleCallPayload, suggestion: Suggestion, sender: User | None, *, is_final: bool = True
    ) -> EmailDraft:
        to, target = recipient_addresses(suggestion), require_recipient(suggestion)
        at = format_meeting_time(payload.suggestedTimes[0])
        return EmailDraft(
            to=to,
            subject=f"Invitation: {payload.meeting_name}, {at}",
            text=invitation_text(payload, suggestion, target, sender, is_final=is_final),
        )

    @classmethod
    def attachments(cls, payload: ScheduleCallPayload, suggestion: Suggestion, sender: User | None) -> list[EmailFile]:
        return [
            EmailFile("invitation.ics", "text/calendar", build_invitation(payload, suggestion, sender), inline=True)
        ]

    @classmethod
    def record_delivery(
        cls, payload: ScheduleCallPayload, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> dict[str, Any]:
        result = super().record_delivery(payload, suggestion, execution, by=by)
        return {**result, "meeting": str(book_meeting(payload, suggestion, by=by).pk)}


def book_meeting(payload: ScheduleCallPayload, suggestion: Suggestion, *, by: Actor) -> Thread:
    """Create the thread of the meeting."""
    start = payload.suggestedTimes[0]
    thread = Thread(
        source=ThreadSource.MEETING,
        subject=f"{capfirst(payload.meeting_name)}, {format_meeting_time(start)}",
        lead=suggestion.lead,
        client=suggestion.client,
        project=suggestion.project,
        participant_emails=known_addresses(suggestion),
        metadata={
            "starts_at": start.isoformat(),
            "duration": payload.duration,
            "location": meeting_place(payload, suggestion),
            "uid": invitation_uid(suggestion),
            "sequence": 0,
        },
    )
    with errors_as_invalid_input():
        thread.full_clean()
        thread.save(force_insert=True)
    timeline_owner = suggestion.lead or suggestion.client or thread
    record(thread, "booked", timeline_owner=timeline_owner, by=by, summary=f"Booked: {thread}")
    return thread


def known_addresses(suggestion: Suggestion) -> list[str]:
    """Return the address that the invitation went to, also if the lead or client was deleted since."""
    target = suggestion.lead or suggestion.client
    found = getattr(target, "contact_email", None) or getattr(target, "email", None)
    return [found] if found else []


def format_meeting_time(at: datetime) -> str:
    """Return `Tue 1 Dec 2026, 15:00 CET`, in the agency's time zone, because the recipient reads the same."""
    local = agency_time(at)
    return f"{local:%a} {format_agency_moment(at)} {local:%Z}"


def meeting_place(payload: ScheduleCallPayload, suggestion: Suggestion) -> str:
    """Return the location, or for a call the phone number."""
    target = suggestion.lead or suggestion.client
    if payload.location or payload.channel != "phone":
        return payload.location
    return str(getattr(target, "contact_phone", "") or getattr(target, "phone", ""))


def invitation_text(
    payload: ScheduleCallPayload, suggestion: Suggestion, target: Lead | Client, sender: User | None, *, is_final: bool
) -> str:
    values = placeholder_values(target, sender)
    message = (
        fill_for_recipient(payload.message, suggestion, sender, is_final=is_final)
        or f"I would like to invite you to a {payload.meeting_name}."
    )
    where = meeting_place(payload, suggestion)
    parts = [
        f"Hello {values['first_name'] or values['lead_name']},",
        message,
        f"When: {format_meeting_time(payload.suggestedTimes[0])}\nHow long: {payload.duration} minutes"
        + (f"\nWhere: {where}" if where else ""),
    ]
    if other_times := payload.suggestedTimes[1:]:
        parts.append(
            "If that does not suit you, these times would, too:\n"
            + "\n".join(f"- {format_meeting_time(at)}" for at in other_times)
        )
    # The signature of the sender follows, where there is one.
    own_lines = [] if load_signature(sender) else [email_signature(sender)]
    return "\n\n".join([*parts, *own_lines])


def invitation_uid(suggestion: Suggestion) -> str:
    """Return the UID, the same for every attempt, so that calendars recognize the invitation."""
    return f"{suggestion.pk}@{agency_domain()}"


def event_times(at: datetime, minutes: int) -> tuple[datetime, datetime]:
    """Return start and end of a meeting for an invitation: in local time, or both in UTC where one would be unclear.

    In the repeated hour of a time change, a local time in a calendar file means the first of the two (RFC 5545).
    """
    start = at.astimezone(UTC)
    end = start + timedelta(minutes=minutes)
    local_start, local_end = agency_time(start), agency_time(end)
    return (start, end) if local_start.fold or local_end.fold else (local_start, local_end)


def build_invitation(payload: ScheduleCallPayload, suggestion: Suggestion, sender: User | None) -> bytes:
    """Return the iCalendar invitation to the first of the times (RFC 5546, METHOD:REQUEST)."""
    start, end = event_times(payload.suggestedTimes[0], payload.duration)
    name, ours, answer = sender_headers(sender)
    event = icalendar.Event()
    event.add("uid", invitation_uid(suggestion))
    event.add("sequence", 0)
    # Of two invitations with one UID the later one counts.
    event.add("dtstamp", suggestion.reviewed_at or suggestion.created_at)
    event.add("dtstart", start)
    event.add("dtend", end)
    event.add("summary", f"{capfirst(payload.meeting_name)} with {name}")
    event.add("status", "CONFIRMED")
    if where := meeting_place(payload, suggestion):
        event.add("location", where)
    event.add("organizer", calendar_address(answer or ours, name), encode=0)
    for one in recipient_addresses(suggestion):
        event.add(
            "attendee",
            calendar_address(one, "", ROLE="REQ-PARTICIPANT", PARTSTAT="NEEDS-ACTION", RSVP="TRUE"),
            encode=0,
        )
    invitation = icalendar.Calendar()
    invitation.add("prodid", f"-//{agency_domain()}//CRM//EN")
    invitation.add("version", "2.0")
    invitation.add("method", "REQUEST")
    invitation.add_component(event)
    invitation.add_missing_timezones()
    return invitation.to_ical()


def calendar_address(address: str, name: str, **parameters: str) -> "icalendar.vCalAddress":
    found = icalendar.vCalAddress(f"mailto:{address}")
    if name:
        found.params["cn"] = icalendar.vText(name)
    for key, value in parameters.items():
        found.params[key.lower()] = icalendar.vText(value)
    return found
