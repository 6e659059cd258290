"""SCHEDULE_CALL: an invitation that calendars understand, and a meeting that is booked."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from icalendar import Calendar, Event

from crm.exceptions import InvalidInput
from crm.records.local_time import agency_time
from crm.screens.json_forms.list_inputs import DateTimeListInput
from inbox.models import Thread
from suggestions.kinds import KINDS
from suggestions.kinds.schedule_call import ScheduleCallPayload, event_times
from tests.cast import browser, make_lead, make_suggestion, make_thread
from tests.suggestions.email_execution import approve_and_send, approve_confirming_all, run_latest_execution

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def in_berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    with timezone.override("Europe/Berlin"):
        yield


@pytest.fixture
def lead(ann):
    return make_lead(
        contact_name="Lee Lead", contact_email="lee@example.com", contact_phone="+49 30 1234567", assigned_to=ann
    )


@pytest.fixture
def first():
    return (timezone.now() + timedelta(days=3)).replace(microsecond=0, second=0)


def make_call_suggestion(lead, times, **content):
    content = {"suggestedTimes": [at.isoformat() for at in times], "duration": 45, "meetingType": "phone", **content}
    return make_suggestion("SCHEDULE_CALL", lead=lead, suggested_content=content)


def event_lines(ics: str) -> dict[str, str]:
    """The lines of an event by their names, read by hand: RFC 5545, section 3.1."""
    lines = ics.replace("\r\n", "\n").replace("\n ", "").split("\n")
    event = lines[lines.index("BEGIN:VEVENT") + 1 : lines.index("END:VEVENT")]
    return dict(line.split(":", 1) if line.split(":")[0].isalpha() else line.split(";", 1) for line in event)


def test_invitation_email_has_calendar_part(smtp_sink, lead, ann, first):
    suggestion = approve_and_send(make_call_suggestion(lead, [first, first + HOUR]), ann)
    [mail] = smtp_sink.emails
    kinds = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "text/calendar", "text/calendar"]
    inline, attached = (part for part in mail.walk() if part.get_content_type() == "text/calendar")
    assert (inline.get_param("method"), inline.get_filename()) == ("REQUEST", None)
    assert attached.get_filename() == "invitation.ics"
    ics = inline.get_content()
    assert ics.replace("\r\n", "\n").strip() == attached.get_content().replace("\r\n", "\n").strip()
    read = Calendar.from_ical(ics)
    assert (read["METHOD"], read["VERSION"]) == ("REQUEST", "2.0")
    [event] = read.walk("VEVENT")
    assert event["DTSTART"].dt == first and event["DTEND"].dt == first + timedelta(minutes=45)
    assert event["UID"] == f"{suggestion.pk}@birchfield.example.com"
    assert [zone["TZID"] for zone in read.walk("VTIMEZONE")] == ["Europe/Berlin"]
    by_hand = event_lines(ics)
    start = datetime.strptime(by_hand["DTSTART"], "TZID=Europe/Berlin:%Y%m%dT%H%M%S")
    assert start == timezone.localtime(first).replace(tzinfo=None)
    assert by_hand["SEQUENCE"] == "0"
    assert by_hand["ORGANIZER"] == "CN=Ann:mailto:ann@agency.example"
    assert by_hand["ATTENDEE"].endswith("mailto:lee@example.com") and "RSVP=TRUE" in by_hand["ATTENDEE"]
    assert by_hand["LOCATION"] == "+49 30 1234567"


def test_alternative_times_are_listed_in_the_email(smtp_sink, lead, ann, first):
    approve_and_send(
        make_call_suggestion(lead, [first, first + HOUR, first + 2 * HOUR], message="Let us talk, {{first_name}}."), ann
    )
    text = smtp_sink.emails[0].get_body(("plain",)).get_content()
    assert text.startswith("Hello Lee,\n\nLet us talk, Lee.\n\nWhen: ")
    assert text.count("\n- ") == 2 and "Birchfield Insurance" in text


def test_meeting_is_booked_after_invitation_is_sent(smtp_sink, lead, ann, first):
    suggestion = approve_confirming_all(make_call_suggestion(lead, [first]), ann)
    assert not Thread.objects.filter(source="MEETING").exists()
    suggestion = run_latest_execution(suggestion)
    meeting = Thread.objects.get(source="MEETING")
    assert suggestion.result["meeting"] == str(meeting.pk)
    assert (meeting.lead, meeting.metadata["duration"], meeting.metadata["sequence"]) == (lead, 45, 0)
    assert datetime.fromisoformat(meeting.metadata["starts_at"]) == first
    assert meeting.metadata["uid"] == f"{suggestion.pk}@birchfield.example.com"
    shown = browser(ann).get(f"/inbox/thread/{meeting.pk}/change/").content.decode()
    assert f"{timezone.localtime(first):%H:%M}" in shown and "45 minutes" in shown and "+49 30 1234567" in shown


@pytest.mark.parametrize("metadata", [{"starts_at": 7}, {"starts_at": "2026-11-30"}, {"starts_at": "x", "duration": 1}])
def test_malformed_meeting_metadata_does_not_break_page(as_max, lead, metadata):
    thread = make_thread(source="MEETING", lead=lead, metadata={"duration": 30, **metadata})
    assert as_max.get(f"/inbox/thread/{thread.pk}/change/").status_code == 200


def test_rejected_invitation_books_nothing(smtp_sink, lead, ann, first):
    smtp_sink.fault = "spam"
    suggestion = approve_and_send(make_call_suggestion(lead, [first]), ann)
    assert not Thread.objects.filter(source="MEETING").exists()
    smtp_sink.fault = ""
    approve_and_send(suggestion, ann)
    assert len(smtp_sink.data) == Thread.objects.filter(source="MEETING").count() == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"suggestedTimes": []}, "suggestedTimes: There must be at least 1"),
        ({"suggestedTimes": ["2020-01-01T10:00:00+00:00"]}, "is past: suggest times in the future"),
        ({"suggestedTimes": ["2999-01-01T10:00:00"]}, "This must say its time zone"),
        ({"suggestedTimes": ["tomorrow"]}, "This must be a date and a time"),
        ({"suggestedTimes": ["2999-01-01T10:00:00Z", "2999-01-01T11:00:00+01:00"]}, "suggested twice"),
        ({"duration": 4}, "duration: This must be at least 5"),
        ({"duration": 481}, "duration: This must be at most 480"),
        ({"channel": "telepathy"}, "channel: This must be one of"),
        ({"meetingType": "x\ny"}, "meetingType: This must be one line"),
        ({"location": "x" * 301}, "location: This must have at most 300"),
    ],
)
def test_invalid_meeting_is_refused(lead, first, content, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make_call_suggestion(lead, [first], **content)


def test_location_cannot_inject_calendar_lines(smtp_sink, lead, ann, first):
    approve_and_send(make_call_suggestion(lead, [first], location="Room 1\r\nATTENDEE:mailto:eve@example.com"), ann)
    [ics] = [part for part in smtp_sink.emails[0].walk() if part.get_filename() == "invitation.ics"]
    assert "\nATTENDEE:mailto:eve" not in ics.get_content()
    [event] = Calendar.from_ical(ics.get_content()).walk("VEVENT")
    assert event["ATTENDEE"] == "mailto:lee@example.com"


def test_lead_without_address_is_refused(db, first):
    with pytest.raises(InvalidInput, match="has no email address"):
        make_call_suggestion(make_lead(contact_email="", contact_phone="1"), [first])


def test_past_meeting_time_is_not_sent(smtp_sink, lead, ann, first, monkeypatch):
    suggestion = approve_confirming_all(make_call_suggestion(lead, [first]), ann)
    monkeypatch.setattr("suggestions.kinds.schedule_call.timezone.now", lambda: datetime(2999, 1, 1, tzinfo=UTC))
    suggestion = run_latest_execution(suggestion)
    assert "is past" in suggestion.error_message and smtp_sink.data == []


NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
TIME_CHANGES = [
    # Autumn: 01:30 and 02:30 come twice.
    (NEW_YORK, "2027-11-07T05:00Z", "20271107T010000", False),
    (NEW_YORK, "2027-11-07T06:30Z", "20271107T063000Z", True),
    (BERLIN, "2027-10-31T00:00Z", "20271031T020000", False),
    (BERLIN, "2027-10-31T01:30Z", "20271031T013000Z", True),
    # Begins before the change, ends in the second of the two hours.
    (NEW_YORK, "2027-11-07T05:30Z", "20271107T053000Z", False),
    (BERLIN, "2027-10-31T00:30Z", "20271031T003000Z", False),
    # Spring: the half hour before the missing one, and the one after it.
    (NEW_YORK, "2027-03-14T06:30Z", "20270314T013000", False),
    (NEW_YORK, "2027-03-14T07:00Z", "20270314T030000", False),
    (BERLIN, "2027-03-28T00:30Z", "20270328T013000", False),
    (BERLIN, "2027-03-28T01:00Z", "20270328T030000", False),
    (NEW_YORK, "2027-07-01T13:00Z", "20270701T090000", False),
]


def read_moment(line: str) -> datetime:
    """Read a date and time by hand as RFC 5545 says: of two equal local times the first is meant."""
    parameters, _, text = line.partition(":")
    if text.endswith("Z"):
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    zone = ZoneInfo(parameters.partition("TZID=")[2])
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=zone, fold=0).astimezone(UTC)


@pytest.mark.parametrize(("zone", "text", "written", "is_second"), TIME_CHANGES)
def test_invitation_around_a_time_change_means_the_right_moment(zone, text, written, is_second, settings):
    settings.TIME_ZONE = zone
    at = datetime.fromisoformat(text)
    assert agency_time(at).fold == is_second
    start, end = event_times(at, 45)
    event, calendar = Event(), Calendar()
    event.add("dtstart", start)
    event.add("dtend", end)
    calendar.add_component(event)
    calendar.add_missing_timezones()
    lines = calendar.to_ical().decode().replace("\r\n ", "").split("\r\n")
    in_event = lines[lines.index("BEGIN:VEVENT") :]
    [start_line] = [line for line in in_event if line.startswith("DTSTART")]
    [end_line] = [line for line in in_event if line.startswith("DTEND")]
    assert start_line.endswith(f":{written}")
    assert read_moment(start_line) == at
    assert read_moment(end_line) - read_moment(start_line) == timedelta(minutes=45)
    assert start_line.endswith("Z") == end_line.endswith("Z")
    assert ("BEGIN:VTIMEZONE" in lines) != start_line.endswith("Z")


@pytest.mark.parametrize(("zone", "text", "written", "is_second"), TIME_CHANGES)
def test_form_keeps_a_time_around_a_time_change(zone, text, written, is_second):
    at = datetime.fromisoformat(text)
    form_field = DateTimeListInput()
    with timezone.override(zone):
        shown = form_field.to_input([at.isoformat()])
        html = DateTimeListInput.make_widget({}, [shown], {}).render("times", shown)
        [parsed] = form_field.parse(shown)
    assert datetime.fromisoformat(parsed) == at
    assert ('<input type="text"' in html) == is_second
    assert f'value="{shown.replace("+", "&#x2B;")}"' in html or f'value="{shown}"' in html


@pytest.mark.parametrize(
    ("given", "purpose", "channel", "name"),
    [
        ({"meetingType": "discovery"}, "discovery", "phone", "discovery phone call"),
        ({"meetingType": "discovery", "channel": "video"}, "discovery", "video", "discovery video call"),
        (
            {"meetingType": "POLICY_REVIEW", "channel": "in person"},
            "POLICY_REVIEW",
            "in person",
            "policy review meeting",
        ),
        ({"meetingType": "discovery call"}, "discovery call", "phone", "discovery call"),
        ({"meetingType": "in_person"}, "", "in person", "meeting"),
        ({"meetingType": "Video call"}, "", "video", "video call"),
        ({"meetingType": "phone"}, "", "phone", "phone call"),
        ({"meetingType": "phone", "channel": "video"}, "phone", "video", "phone video call"),
        ({}, "", "phone", "phone call"),
    ],
)
def test_meeting_type_is_the_purpose_beside_the_channel(given, purpose, channel, name):
    payload = ScheduleCallPayload.model_validate({"suggestedTimes": ["2999-01-01T10:00:00Z"], **given})
    assert (payload.meetingType, payload.channel, payload.meeting_name) == (purpose, channel, name)


def test_purpose_is_in_the_invitation(smtp_sink, lead, ann, first):
    suggestion = make_call_suggestion(lead, [first], meetingType="discovery")
    assert "to a discovery phone call of 45 minutes" in KINDS["SCHEDULE_CALL"].sentence(
        ScheduleCallPayload.model_validate(suggestion.suggested_content), suggestion
    )
    approve_and_send(suggestion, ann)
    [mail] = smtp_sink.emails
    assert mail["Subject"].startswith("Invitation: discovery phone call, ")
    [event] = Calendar.from_ical(
        next(part.get_content() for part in mail.walk() if part.get_content_type() == "text/calendar")
    ).walk("VEVENT")
    assert event["SUMMARY"].startswith("Discovery phone call with ")
