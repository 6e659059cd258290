"""Tests of the page that converts a lead, and of the ways to it."""

import pytest
from django.urls import reverse

from crm.exceptions import InvalidInput
from crm.models import Client, ContactClient, Project
from crm.records.timeline import load_timeline
from crm.records.transitions import add_note
from inbox.drafts.transitions import send
from inbox.models import Draft
from inbox.models.email_template import EmailTemplate
from leads.conversion.candidates import find_client_candidates
from leads.conversion.transitions import client_from_lead, convert, policy_from_lead
from leads.models import ContactLead, Lead, LeadStatus, Policy
from tests.cast import (
    browser,
    make_client,
    make_contact,
    make_lead,
    make_suggestion,
    make_thread,
    page_text,
    page_with_sections,
)

pytestmark = pytest.mark.django_db


def convert_url(lead: Lead) -> str:
    return reverse("admin:leads_lead_convert", args=[lead.pk])


def stage_url(lead: Lead) -> str:
    return reverse("admin:leads_lead_do", args=[lead.pk, "stage"])


def reasons(user, lead: Lead) -> dict[str, tuple[str, ...]]:
    return {one.client.name: one.reasons for one in find_client_candidates(user, lead)}


def test_existing_clients_are_offered_by_address_phone_name_and_domain(ann):
    make_client(name="By address", email="LEE@firm.example")
    make_client(name="By phone", phone="(555) 234-0199")
    make_client(name="Márta's Bakery")
    make_client(name="By domain", email="office@firm.example")
    contact = make_contact(email="lee@firm.example")
    ContactClient.objects.create(contact=contact, client=make_client(name="By contact"))
    make_client(name="Other", email="other@example.com", phone="555 999 0199")
    lead = make_lead(contact_email="lee@firm.example", contact_phone="+1 555 234 0199", company_name="Marta’s bakery")
    assert reasons(ann, lead) == {
        "By address": ("same address", "same email domain"),
        "By contact": ("same address",),
        "By phone": ("same phone",),
        "Márta's Bakery": ("same name",),
        "By domain": ("same email domain",),
    }


def test_address_of_a_stakeholder_finds_the_client(ann):
    make_client(name="Known", email="boss@firm.example")
    lead = make_lead()
    ContactLead.objects.create(lead=lead, contact=make_contact(email="boss@firm.example"))
    assert reasons(ann, lead) == {"Known": ("same address",)}


def test_free_email_and_colleagues_clients_are_not_offered(ann, bob):
    make_client(name="Neighbour", email="other@gmail.com")
    make_client(name="Hidden", email="lee@gmail.com", assigned_to=bob)
    assert reasons(ann, make_lead(contact_email="lee@gmail.com")) == {}


def test_page_shows_candidates_and_what_is_carried_over(as_ann, ann):
    lead = make_lead(assigned_to=ann, tags=["vip"], line="auto")
    make_client(name="Same one", email=lead.contact_email)
    make_thread(lead=lead), make_thread(lead=lead)
    page = page_text(as_ann.get(convert_url(lead)))
    assert "Same one" in page and "<dt>Conversations</dt> <dd>2</dd>" in page and "<dd>vip</dd>" in page
    assert "Add a quoted policy: Auto" in page


def test_page_shows_what_the_lead_refuses(as_ann, ann):
    lead = make_lead(assigned_to=ann, communications={"phone": {"do_not_contact": True}})
    assert "<dt>Contact preferences</dt> <dd>No phone</dd>" in page_text(as_ann.get(convert_url(lead)))


def test_search_finds_other_clients_that_the_user_may_see(as_ann, ann, bob):
    lead = make_lead(assigned_to=ann)
    make_client(name="Zebra Farm"), make_client(name="Zebra Hidden", assigned_to=bob)
    page = page_text(as_ann.get(convert_url(lead), {"q": "zebra"}))
    assert "Zebra Farm" in page and "Zebra Hidden" not in page


def test_new_client_with_project_and_policy(as_ann, ann):
    lead = make_lead(assigned_to=ann, line="auto", auto_data={"vin": "1HGCM82633A004352"}, estimated_value=900)
    data = {"client": "new", "name": "Lee Inc", "client_type": "Business", "email": "a@lee.example"}
    answer = as_ann.post(convert_url(lead), {**data, "project_name": "Onboarding", "add_policy": "on"})
    client = Client.objects.get()
    assert answer.url == reverse("admin:crm_client_change", args=[client.pk])
    assert (client.name, client.client_type, client.email, client.phone) == ("Lee Inc", "Business", "a@lee.example", "")
    policy = Policy.objects.get()
    assert (policy.data, policy.premium, Project.objects.get().client) == (lead.auto_data, 900, client)


def test_existing_client_is_chosen(as_ann, ann):
    lead, client = make_lead(assigned_to=ann), make_client()
    as_ann.post(convert_url(lead), {"client": client.pk})
    lead.refresh_from_db()
    assert lead.converted_to_client == client


def welcome_data(**changes) -> dict[str, str]:
    template = EmailTemplate.objects.get(category="WELCOME")
    data = {"client": "new", "name": "Lee Young", "client_type": "Individual", "email": "l@x.example"}
    return {**data, "welcome_template": str(template.pk), **changes}


def test_welcome_email_is_saved_as_a_draft_on_the_page_of_the_client(as_ann, ann):
    answer = as_ann.post(convert_url(make_lead(assigned_to=ann)), welcome_data())
    draft, client = Draft.objects.get(), Client.objects.get()
    assert (draft.author, draft.client, draft.to) == (ann, client, "l@x.example")
    assert draft.body.startswith("Hello Lee,") and "{{" not in draft.subject + draft.body
    page = page_text(as_ann.get(answer.url))
    assert reverse("admin:inbox_draft_change", args=[draft.pk]) in page
    assert "The welcome email is saved as a draft." in page


def test_placeholder_without_a_value_stays_in_the_welcome_email_and_blocks_sending(as_ann, ann):
    as_ann.post(convert_url(make_lead(assigned_to=ann)), welcome_data(name="Lee Inc", client_type="Business"))
    draft = Draft.objects.get()
    assert "{{first_name}}" in draft.body
    with pytest.raises(InvalidInput, match="first_name"):
        send(draft, by=ann)


def test_welcome_email_is_refused_without_an_address_or_against_the_clients_will(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    refusing = make_client(email="c@x.example", communications={"email": {"do_not_contact": True}})
    for data, sentence in (
        (welcome_data(email=""), "has no email address"),
        (welcome_data(client=refusing.pk), "does not want to be contacted by email"),
    ):
        answer = as_ann.post(convert_url(lead), data)
        assert answer.status_code == 422 and sentence in page_text(answer)
    lead.refresh_from_db()
    assert lead.converted_at is None and not Draft.objects.exists()
    Lead.objects.update(communications={"email": {"consent": False}})
    assert "welcome_template" not in as_ann.get(convert_url(lead)).content.decode()


@pytest.mark.parametrize("choice", ["", "x", "00000000-0000-7000-8000-000000000000", "hidden"])
def test_invalid_client_is_refused_with_a_sentence(as_ann, ann, bob, choice):
    lead, hidden = make_lead(assigned_to=ann), make_client(assigned_to=bob)
    answer = as_ann.post(convert_url(lead), {"client": hidden.pk if choice == "hidden" else choice})
    assert answer.status_code == 422
    assert not Lead.objects.exclude(converted_at=None).exists()
    if choice:
        assert "you do not have access to it." in page_text(answer)


def test_new_client_needs_a_name_and_keeps_what_was_typed(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    answer = as_ann.post(convert_url(lead), {"client": "new", "name": " ", "project_name": "Typed"})
    page = page_text(answer)
    assert answer.status_code == 422 and "Enter the name of the new client." in page and 'value="Typed"' in page


def test_converted_lead_leads_back_to_its_page(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    convert(lead, client_from_lead(lead), by=ann)
    answer = as_ann.post(convert_url(lead), {"client": "new", "name": "Again"})
    assert answer.url == reverse("admin:leads_lead_change", args=[lead.pk]) and Client.objects.count() == 1


def test_page_needs_permission_and_a_visible_lead(as_ann, vera, bob):
    lead = make_lead(assigned_to=bob)
    assert as_ann.get(convert_url(lead)).status_code == 404
    assert browser(vera).get(convert_url(make_lead())).status_code == 403


def test_board_asks_before_it_closes_a_lead_as_won(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    answer = as_ann.post(reverse("admin:leads_lead_board_move"), {"lead": lead.pk, "stage": "CLOSED_WON"})
    assert answer.json() == {"ask": convert_url(lead)}
    lead.refresh_from_db()
    assert lead.is_open
    as_ann.post(answer.json()["ask"], {"close": "1"})
    lead.refresh_from_db()
    assert (lead.status_id, lead.converted_at) == ("CLOSED_WON", None)


def test_change_of_stage_asks_before_it_closes_as_won(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    answer = as_ann.post(stage_url(lead), {"stage": "CLOSED_WON"})
    assert answer.status_code == 422 and convert_url(lead) in page_text(answer)
    as_ann.post(stage_url(lead), {"stage": "CLOSED_WON", "without_client": "on"})
    lead.refresh_from_db()
    assert lead.status == LeadStatus.objects.get(pk="CLOSED_WON")


def test_approved_move_to_won_links_to_the_conversion(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    content = {"status": "CLOSED_WON", "fromStatus": lead.status_id}
    row = make_suggestion("CHANGE_STATUS", lead=lead, suggested_content=content)
    url = reverse("admin:suggestions_suggestion_do", args=[row.pk, "approve"])
    page = page_text(as_ann.post(url, follow=True))
    assert f'<a href="{convert_url(lead)}">Convert to client</a>' in page


def test_lead_page_offers_conversion_and_then_its_undo(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    url = reverse("admin:leads_lead_change", args=[lead.pk])
    assert convert_url(lead) in page_text(as_ann.get(url))
    convert(lead, client_from_lead(lead), by=ann)
    page = page_text(as_ann.get(url))
    assert convert_url(lead) not in page and "Undo conversion" in page
    # It stays won until then.
    assert stage_url(lead) not in page and LeadStatus.objects.get(pk="CLOSED_WON").guidance not in page
    as_ann.post(reverse("admin:leads_lead_do", args=[lead.pk, "unconvert"]))
    lead.refresh_from_db()
    assert lead.is_open and not Client.objects.exists()
    again = as_ann.post(reverse("admin:leads_lead_do", args=[lead.pk, "unconvert"]))
    assert again.status_code == 422 and "within a day" in page_text(again)


def test_timeline_of_a_client_reaches_back_to_its_visible_leads(ann, bob):
    lead, hidden, client = make_lead(assigned_to=ann), make_lead(assigned_to=bob), make_client()
    add_note(lead, "Asked about floods", by=ann), add_note(hidden, "Secret of Bob", by=bob)
    convert(lead, client, by=ann), convert(hidden, client, by=bob)
    summaries = [line.summary for line in load_timeline(ann, client).lines]
    assert "Asked about floods" in summaries and "Secret of Bob" not in summaries
    assert sum(summary.startswith("Converted") for summary in summaries) == 1


def test_line_data_without_a_policy_stays_readable_on_the_page_of_the_client(as_ann, ann, bob):
    lead = make_lead(assigned_to=ann, line="auto", auto_data={"vin": "1HGCM82633A004352"}, home_data={"year": 1987})
    Lead.objects.filter(pk=lead.pk).update(line_data={"umbrella": {"limit": 5}}, additional_insureds=[{"name": "Ida"}])
    lead.refresh_from_db()
    client = convert(lead, client_from_lead(lead), by=ann, policy=policy_from_lead(lead)).client
    url = reverse("admin:crm_client_change", args=[client.pk])
    page = page_with_sections(as_ann, url)
    panel = page[page.index("<h2>Data of former leads</h2>") :]
    assert "1987" in panel and "Umbrella" in panel and "Ida" in panel
    assert "1HGCM82633A004352" not in panel
    assert Policy.objects.get().data == {"vin": "1HGCM82633A004352"}
    Lead.objects.update(assigned_to=bob)
    hidden = page_with_sections(as_ann, url)
    assert "1987" not in hidden and "<h2>Data of former leads</h2>" not in hidden
