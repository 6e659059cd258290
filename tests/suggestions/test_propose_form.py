"""A user proposes a suggestion with the form, for a record that the user may see."""

import pytest
from django.urls import reverse

from suggestions.models import Suggestion, SuggestionStatus
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, make_ticket, page_text

ADD = reverse("admin:suggestions_suggestion_add")


def test_form_starts_with_choice_of_type(as_ann):
    lead = make_lead()
    shown = page_text(as_ann.get(f"{ADD}?lead={lead.pk}"))
    assert f"lead={lead.pk}&amp;type=TASK" in shown
    assert "Add a task to a colleague&#x27;s list." in shown


def test_form_proposes_suggestion_as_user(as_ann, ann):
    lead = make_lead()
    form = as_ann.get(f"{ADD}?type=TASK&lead={lead.pk}").context["form"]
    assert form.initial["lead"] == lead.pk
    sent = {"lead": str(lead.pk), "content.title": "Call", "content.dueOn": "2030-01-31", "reasoning": "They asked."}
    response = as_ann.post(f"{ADD}?type=TASK", sent)
    made = Suggestion.objects.get()
    assert response.url == reverse("admin:suggestions_suggestion_change", args=[made.pk])
    assert (made.status, made.proposed_by, made.lead, made.reasoning) == (
        SuggestionStatus.PENDING,
        ann,
        lead,
        "They asked.",
    )
    assert made.suggested_content["dueOn"] == "2030-01-31"


def test_form_can_save_draft(as_ann):
    sent = {"lead": str(make_lead().pk), "content.title": "Call", "as_draft": "1"}
    as_ann.post(f"{ADD}?type=TASK", sent)
    assert Suggestion.objects.get().status == SuggestionStatus.DRAFT


def test_invalid_input_shows_errors_and_keeps_typed_text(as_ann):
    sent = {"lead": str(make_lead().pk), "content.title": "", "content.dueOn": "soon", "reasoning": "They asked."}
    response = as_ann.post(f"{ADD}?type=TASK", sent)
    assert response.status_code == 422
    assert "content.title" in response.context["form"].errors
    assert "This must be a date" in page_text(response)
    assert "They asked." in page_text(response)
    assert not Suggestion.objects.exists()


def test_user_proposes_another_stage_from_the_present_one(as_ann):
    lead = make_lead(status_id="ACTIVE")
    as_ann.post(f"{ADD}?type=CHANGE_STATUS", {"lead": str(lead.pk), "content.status": "PROPOSAL_SENT"})
    assert Suggestion.objects.get().suggested_content["fromStatus"] == "ACTIVE"


def test_missing_record_is_said_at_its_picker(as_ann):
    lead = make_lead()
    for type, name in [("REPLY", "thread"), ("LINK_THREAD", "thread"), ("RESOLVE_TICKET", "ticket")]:
        form = as_ann.post(f"{ADD}?type={type}", {"lead": str(lead.pk)}).context["form"]
        assert form.errors[name] == ["This is needed."], type
        assert not form.non_field_errors()
    form = as_ann.post(f"{ADD}?type=CHANGE_STATUS", {"content.status": "ACTIVE"}).context["form"]
    assert form.errors["lead"] == ["This is needed."]
    form = as_ann.post(f"{ADD}?type=LINK_THREAD", {"thread": str(make_thread().pk)}).context["form"]
    assert form.non_field_errors() == ["Name a lead or a client to link the conversation to, and not both."]


def test_lead_limit_is_enforced(as_ann):
    lead = make_lead()
    for _ in range(3):
        make_suggestion(lead=lead)
    response = as_ann.post(f"{ADD}?type=TASK", {"lead": str(lead.pk), "content.title": "Call"})
    assert "decide one of them first" in page_text(response)
    assert Suggestion.objects.count() == 3


def test_form_refuses_a_colleagues_lead(as_ann, bob):
    theirs = make_lead(assigned_to=bob, contact_name="Secret Sam")
    shown = as_ann.get(f"{ADD}?type=TASK&lead={theirs.pk}")
    assert shown.context["form"].initial == {}
    assert "Secret Sam" not in page_text(shown)
    response = as_ann.post(f"{ADD}?type=TASK", {"lead": str(theirs.pk), "content.title": "Call"})
    assert response.status_code == 422
    assert "Secret Sam" not in page_text(response)
    assert not Suggestion.objects.exists()


@pytest.mark.parametrize("key", ["x", "0199f000-0000-7000-8000-000000000000", ""])
def test_invalid_record_key_prefills_nothing(as_ann, key):
    shown = as_ann.get(f"{ADD}?type=TASK&lead={key}&ticket={key}")
    assert shown.status_code == 200
    assert shown.context["form"].initial == {}


def test_form_is_prefilled_from_thread_and_ticket(as_ann):
    lead, client = make_lead(), make_client()
    thread = make_thread(lead=lead)
    ticket = make_ticket(client=client, thread=thread)
    assert as_ann.get(f"{ADD}?type=TASK&thread={thread.pk}").context["form"].initial == {
        "thread": thread.pk,
        "lead": lead.pk,
    }
    named = as_ann.get(f"{ADD}?type=TASK&ticket={ticket.pk}").context["form"].initial
    assert (named["ticket"], named["client"], named["thread"]) == (ticket.pk, client.pk, thread.pk)


def test_every_type_has_a_form_and_a_card(as_max):
    cards = as_max.get(ADD).context["types"]
    assert len(cards) >= 2
    for card in cards:
        assert as_max.get(ADD + card["url"]).status_code == 200
        assert as_max.post(ADD + card["url"], {}).status_code == 422


@pytest.mark.parametrize("page", ["leads_lead", "crm_client", "inbox_thread", "support_supportticket"])
def test_record_pages_link_to_form(as_ann, page):
    client = make_client()
    rows = {
        "leads_lead": make_lead(),
        "crm_client": client,
        "inbox_thread": make_thread(),
        "support_supportticket": make_ticket(client=client),
    }
    shown = page_text(as_ann.get(reverse(f"admin:{page}_change", args=[rows[page].pk])))
    assert f"{ADD}?" in shown
    assert f"={rows[page].pk}" in shown


def test_viewer_cannot_suggest(vera):
    lead = make_lead()
    as_vera = browser(vera)
    assert as_vera.get(ADD).status_code == 403
    assert as_vera.post(f"{ADD}?type=TASK", {"content.title": "x"}).status_code == 403
    assert ADD not in page_text(as_vera.get(reverse("admin:leads_lead_change", args=[lead.pk])))
