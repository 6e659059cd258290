"""What a client wants no contact by: on the page, in the filter, in the export, after a conversion and a merge."""

import csv
import io
import json

import pytest
from django.db import IntegrityError, transaction

from crm.models import ActivityLog, Client
from crm.records.activity import SYSTEM_ACTOR
from crm.records.consent import CHANNELS, closed_channels
from crm.records.merging.rules import differences
from crm.records.merging.transitions import merge, unmerge
from leads.conversion.transitions import client_from_lead, convert, undo_conversion
from leads.models import Lead
from leads.policies.transitions import open_renewal_lead
from suggestions.policy.consent import ContactNotPermitted
from tests.cast import allow_export, browser, make_client, make_lead, make_policy, make_suggestion, page_text
from tests.form_parser import read_form

pytestmark = pytest.mark.django_db
NO_EMAIL = {"email": {"do_not_contact": True}}
NO_CALLS = {"phone": {"do_not_contact": True}}
SHAPES = [
    {},
    NO_EMAIL,
    NO_CALLS,
    {"email": {"consent": False}, "phone": {"consent": True}},
    {"sms": {"opted_out": True}, "email": {"do_not_contact": False}},
    {"do_not_contact": True},
    {"opted_out": True},
    {"consent": False},
    {"do_not_call": True, "do_not_email": False},
    {"do_not_text": True, "email": "no", "phone": None},
    {"email": [{"do_not_contact": True}], "consent": "no"},
    {"email": {"do_not_contact": "true", "consent": None}, "preferred": "sms"},
]


def edit(session, row, checkbox: str) -> None:
    """Set `checkbox` in the form of `row`."""
    address = f"/{row._meta.label_lower.replace('.', '/')}/{row.pk}/change/?edit=1"
    form = read_form(session.get(address).content.decode(), f"{row._meta.model_name}_form")
    assert session.post(address, {**form, checkbox: "true"}).status_code == 302


@pytest.mark.parametrize("channel", CHANNELS)
def test_filter_finds_the_clients_whose_channel_is_closed(channel):
    for shape in SHAPES:
        make_client(name=json.dumps(shape), communications=shape)
    found = {row.name for row in Client.objects.refusing(channel)}
    assert found == {json.dumps(shape) for shape in SHAPES if channel in closed_channels(shape)}


def test_list_page_and_export_show_who_wants_no_email(max):
    client = make_client(name="Nora", communications=NO_EMAIL)
    make_client(name="Otto", communications={"email": {"consent": True}})
    rows = page_text(browser(max).get("/crm/client/?refuses=email"))
    assert "Nora" in rows
    assert "Otto" not in rows
    page = page_text(browser(max).get(f"/crm/client/{client.pk}/change/"))
    assert "No email" in page
    assert "Contact preferences" in page
    allow_export(max)
    file = b"".join(browser(max).post("/crm/client/export/?order=name").streaming_content).decode()
    rows = {row["Name"]: row for row in csv.DictReader(io.StringIO(file.removeprefix("\ufeff")))}
    assert [rows[name]["Do not email"] for name in ("Nora", "Otto")] == ["yes", ""]
    assert rows["Otto"]["Email consent"] == "yes"


def test_preferences_are_edited_as_inputs(max):
    client = make_client(communications={"fax": "1"})
    edit(browser(max), client, "communications.phone.do_not_contact")
    client.refresh_from_db()
    assert client.communications == {"fax": "1", "phone": {"do_not_contact": True}}


def test_database_refuses_preferences_that_are_no_object():
    with pytest.raises(IntegrityError, match="clients_communications_object"), transaction.atomic():
        make_client(communications=["no"])


def test_conversion_passes_refusals_on_to_a_new_client():
    lead = make_lead(communications=NO_EMAIL)
    assert convert(lead, client_from_lead(lead), by=SYSTEM_ACTOR).client.communications == NO_EMAIL


def test_conversion_to_an_existing_client_keeps_the_stricter_and_undo_restores_it():
    email = {"consent": True, "opted_in_at": "May", "do_not_contact": False}
    client = make_client(communications={**NO_CALLS, "email": email})
    before = dict(client.communications)
    conversion = convert(make_lead(communications={**NO_EMAIL, "best_time": "9 am"}), client, by=SYSTEM_ACTOR)
    client.refresh_from_db()
    assert client.communications == {
        **NO_CALLS,
        "email": {"consent": True, "opted_in_at": "May", "do_not_contact": True},
        "best_time": "9 am",
    }
    undo_conversion(conversion, by=SYSTEM_ACTOR)
    client.refresh_from_db()
    assert client.communications == before


def test_refusal_of_a_converted_lead_holds_for_its_client(max):
    lead = make_lead()
    client = convert(lead, client_from_lead(lead), by=SYSTEM_ACTOR).client
    edit(browser(max), lead, "communications.email.do_not_contact")
    client.refresh_from_db()
    assert closed_channels(client.communications) == {"email"}
    assert ActivityLog.objects.on_timeline_of(client).filter(verb="refused contact").exists()


def test_client_who_allows_email_again_is_proposed_again():
    lead = make_lead(communications=NO_EMAIL)
    client = convert(lead, client_from_lead(lead), by=SYSTEM_ACTOR).client
    with pytest.raises(ContactNotPermitted):
        make_suggestion("SEND_EMAIL", client=client, lead=None)
    Client.objects.filter(pk=client.pk).update(communications={})
    client.refresh_from_db()
    assert make_suggestion("SEND_EMAIL", client=client, lead=None).pk


def test_suggestion_for_a_converted_lead_obeys_its_client():
    lead = make_lead()
    client = convert(lead, client_from_lead(lead), by=SYSTEM_ACTOR).client
    Client.objects.filter(pk=client.pk).update(communications=NO_EMAIL)
    with pytest.raises(ContactNotPermitted):
        make_suggestion("SEND_EMAIL", lead=Lead.objects.get(pk=lead.pk))


def test_lead_for_a_renewal_keeps_what_the_client_refuses():
    policy = make_policy(client=make_client(email="ann@example.com", communications=NO_EMAIL))
    assert open_renewal_lead(policy, by=SYSTEM_ACTOR).communications == NO_EMAIL


@pytest.mark.parametrize("make", [make_client, make_lead])
def test_merge_keeps_the_refusals_of_both_without_asking(max, make):
    winner = make(communications={"email": {"do_not_contact": False, "consent": True}, "language": "en"})
    loser = make(communications={**NO_EMAIL, **NO_CALLS, "language": "de"})
    asked = {one.name for one in differences(winner, loser) if one.path[0] == "communications"}
    assert asked == {"communications/language"}
    done = merge(winner, loser, {"communications/language": "loser"}, by=max)
    winner.refresh_from_db()
    assert winner.communications == {
        "email": {"do_not_contact": True, "consent": True},
        **NO_CALLS,
        "language": "de",
    }
    unmerge(done, by=max)
    winner.refresh_from_db()
    assert winner.communications == {"email": {"do_not_contact": False, "consent": True}, "language": "en"}
