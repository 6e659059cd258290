"""Reads the invitations of calendar programs (RFC 5545, RFC 5546). Pure: no database."""

import codecs
from datetime import date, datetime, timedelta
from typing import Any

from crm.runtime.lazy_module import LazyModule
from crm.text.charsets import decode_text
from crm.text.cleaning import storable_text
from inbox.incoming.mime.addresses import is_address
from inbox.incoming.mime.headers import single_line
from inbox.incoming.mime.parts import CALENDAR_TYPES, EmailFile

icalendar = LazyModule("icalendar")

MAX_CALENDAR_BYTES, MAX_TEXT_LENGTH, MAX_COMMENT_LENGTH, MAX_ATTENDEES = 500_000, 300, 4_000, 50
# Raised by the library for calendars that are malformed.
CALENDAR_ERRORS = (ValueError, KeyError, TypeError, AttributeError, IndexError, LookupError, OverflowError)
ANSWERS = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative", "DELEGATED": "delegated"}
METHOD_LABELS = {
    "REQUEST": "Invitation",
    "REPLY": "Reply to an invitation",
    "CANCEL": "Cancelled",
    "COUNTER": "New time proposed",
    "DECLINECOUNTER": "Proposed time declined",
}

Invitation = dict[str, Any]


def is_calendar(file: EmailFile) -> bool:
    """Return whether `file` says that it is a calendar."""
    return file.type in CALENDAR_TYPES or file.name.lower().endswith(".ics")


def read_invitation(data: bytes) -> Invitation | None:
    """Return what, when, where and who of the first event of a calendar; None if it holds none.

    Keys: label, summary, starts, ends (ISO 8601; a date alone for a whole day), repeats, location, organizer,
    attendees (each with name and answer), comment, description. Every text is bounded.
    """
    if len(data) > MAX_CALENDAR_BYTES:
        return None
    try:
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = decode_text(data, "utf-16" if wide else "").lstrip("\ufeff \r\n")
        for calendar in icalendar.Calendar.from_ical(text, multiple=True):
            for event in calendar.walk("VEVENT"):
                return describe_event(event, str(calendar.get("method", "")).upper())
        return None
    except CALENDAR_ERRORS:
        return None


def describe_event(event: "icalendar.Event", method: str) -> Invitation:
    """Return `event`, sent with `method`, as plain values."""
    attendees = [describe_person(one) for one in as_list(event.get("attendee"))[:MAX_ATTENDEES]]
    label = METHOD_LABELS.get(method, "Event")
    if method == "REPLY" and len(attendees) == 1 and attendees[0]["answer"]:
        label = attendees[0]["answer"].capitalize()
    if str(event.get("status", "")).upper() == "CANCELLED":
        label = METHOD_LABELS["CANCEL"]
    return {
        "label": label,
        "summary": short(event.get("summary")),
        "starts": moment(event, "dtstart"),
        "ends": moment(event, "dtend") or end_of(event),
        "repeats": "rrule" in event,
        "location": short(event.get("location")),
        "organizer": describe_person(event["organizer"])["name"] if "organizer" in event else "",
        "attendees": attendees,
        "comment": long_text(event.get("comment")),
        "description": long_text(event.get("description")),
    }


def describe_person(value: Any) -> dict[str, str]:
    """Return the name or address of an organizer or attendee, and the answer given."""
    text = single_line(str(value))
    address = text[len("mailto:") :] if text.lower().startswith("mailto:") else text
    params = getattr(value, "params", {})
    name, answer = short(params.get("CN")), str(params.get("PARTSTAT", "")).upper()
    shown = f"{name} <{address}>" if name and is_address(address) and name.lower() != address.lower() else name
    return {"name": (shown or address)[:MAX_TEXT_LENGTH], "answer": ANSWERS.get(answer, "")}


def moment(event: "icalendar.Event", name: str) -> str:
    """Return a date or a time of `event` in ISO 8601; empty where there is none. Without a zone it is local time."""
    value = getattr(event.get(name), "dt", None)
    return value.isoformat() if isinstance(value, date | datetime) else ""


def end_of(event: "icalendar.Event") -> str:
    """Return the end of an event that gives its duration instead, in ISO 8601; empty without one."""
    start, length = getattr(event.get("dtstart"), "dt", None), getattr(event.get("duration"), "dt", None)
    if not isinstance(start, date) or not isinstance(length, timedelta):
        return ""
    return (start + length).isoformat()


def long_text(value: Any) -> str:
    return storable_text("\n".join(map(str, as_list(value))))[:MAX_COMMENT_LENGTH]


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def short(value: Any) -> str:
    return single_line(str(value or ""))[:MAX_TEXT_LENGTH]
