"""A model reads an email of a possible lead: it may copy only what the email says, and never raises confidence."""

import json
from decimal import Decimal

import pytest
from pydantic_ai import models as pydantic_ai_models

from agents.drafting.improve_draft import ask_model
from agents.drafting.read_prospect import (
    ProspectEmail,
    ProspectReading,
    adjust_confidence,
    improve_lead_content,
    verified_values,
)
from agents.triage.triage_threads import TRIAGE_AGENT
from ai_log.gateway import otel_names
from ai_log.models import AIInteraction
from inbox.incoming.processing_queue import queue_processing
from suggestions.models import Suggestion, SuggestionStatus
from tests.agents.test_triage import PROSPECT, mail, mailbox  # noqa: F401 - a fixture
from tests.ai_log.provider import completion, fake_provider
from tests.http_server import respond_with
from tests.queued_jobs import process_queued_threads

BODY = """Hello,

we run a bakery with six employees on Mill Lane. Could you send us a quote
for public cover?

Nora New, Director
new bread
+1 (419) 555-0188
"""
MAIL = ProspectEmail("A question", "N. N.", BODY, {"general_liability": "General liability", "auto": "Auto"})
NEED = "Could you send us a quote for public cover?"


def make_reading(**kw) -> ProspectReading:
    return ProspectReading(**{"prospect": True, "quote": NEED, "why": "They ask for a quote.", **kw})


@pytest.mark.parametrize(
    ("field", "value", "name", "held"),
    [
        ("name", "Nora New", "contactName", True),
        ("name", "Jane Doe", "contactName", False),
        ("name", "Director", "contactName", False),
        ("name", "a bakery with six employees on Mill Lane", "contactName", False),
        ("company", "new bread", "companyName", True),
        ("company", "New Bread Ltd", "companyName", False),
        ("phone", "+1 (419) 555-0188", "contactPhone", True),
        ("phone", "+1 419 555 0188", "contactPhone", False),
        ("phone", "555-0188", "contactPhone", True),
        ("phone", "0188", "contactPhone", False),
        ("need", NEED, "notes", True),
        ("need", "They need everything.", "notes", False),
    ],
)
def test_model_value_must_appear_verbatim_in_email(field, value, name, held):
    assert verified_values(MAIL, make_reading(**{field: value})) == ({name: value} if held else {})


def test_insurance_line_must_exist_and_be_supported_by_email():
    assert verified_values(MAIL, make_reading(line="general_liability", line_words="quote for public cover")) != {}
    assert verified_values(MAIL, make_reading(line="general_liability", line_words="liability")) == {}
    assert verified_values(MAIL, make_reading(line="general_liability")) == {}
    assert verified_values(MAIL, make_reading(line="yachts", line_words="public cover")) == {}


def test_company_must_not_be_link_address_or_hidden_text():
    for company in ("https://evil.example/x", "ceo@evil.example", "Br\u200bead", "x" * 81, "new\nbread"):
        text = ProspectEmail("", "", company, {})
        assert verified_values(text, make_reading(company=company)) == {}, company


def test_address_source_and_value_never_come_from_model():
    content = {"contactName": "N. N.", "contactEmail": "nora@newbread.example", "estimatedValue": "2400", "notes": "x"}
    read = make_reading(name="Nora New", company="new bread", need=NEED)
    assert improve_lead_content(content, MAIL, read) == {
        **content,
        "contactName": "Nora New",
        "companyName": "new bread",
        "notes": f"{NEED}\n\nx",
    }
    assert {"contactEmail", "email", "address", "value"}.isdisjoint(ProspectReading.model_fields)


def test_model_never_raises_confidence():
    sure = Decimal("0.80")
    assert adjust_confidence(MAIL, make_reading(), sure)[0] == sure
    assert adjust_confidence(MAIL, make_reading(prospect=False), sure)[0] == sure / 2
    assert adjust_confidence(MAIL, make_reading(prospect=False), Decimal("0.31"))[0] == Decimal("0.16")
    assert adjust_confidence(MAIL, make_reading(prospect=False, quote="It says nowhere."), sure)[0] == sure
    assert adjust_confidence(MAIL, make_reading(prospect=False), None)[0] is None


# In the database


@pytest.fixture
def model(settings, monkeypatch):
    monkeypatch.setattr(pydantic_ai_models, "ALLOW_MODEL_REQUESTS", True)
    with fake_provider(settings) as given:
        yield given


def pending_suggestion() -> Suggestion:
    return Suggestion.objects.get(agent=str(TRIAGE_AGENT), status=SuggestionStatus.PENDING)


@pytest.mark.django_db
def test_new_prospect_is_improved_by_model(model, mailbox):  # noqa: F811
    came = mail(mailbox)
    process_queued_threads()
    rules = pending_suggestion()
    read = {"name": "Nora New", "company": "New Bread Ltd", "need": "our insurance renews in March", "phone": "911"}
    read |= {"prospect": False, "quote": "our insurance renews in March", "why": "They only ask."}
    model.answer = respond_with(200, completion(json.dumps(read)))
    assert ask_model(rules.pk)
    better, row = pending_suggestion(), AIInteraction.objects.get()
    assert better.suggested_content == {
        **rules.suggested_content,
        "contactName": "Nora New",
        "companyName": "New Bread Ltd",
        "notes": better.suggested_content["notes"],
    }
    assert better.suggested_content["contactEmail"] == came.from_email
    # Nothing was decided yet, so the rule's own confidence is the middle; the doubt of the model lowers it.
    assert (rules.confidence, better.confidence) == (Decimal("0.50"), Decimal("0.25"))
    assert (better.interaction, better.tainted) == (row, True)
    assert better.reasoning.endswith("A model takes them for no prospect: They only ask.")
    assert (row.agent, row.type, row.summary) == ("Triage", "PromptResponse", "No prospect: They only ask.")
    assert PROSPECT.strip() in [
        row.content[start:end].strip() for start, end in row.metadata[otel_names.UNTRUSTED_SPANS]
    ]
    queue_processing([came.thread])
    process_queued_threads()
    assert (pending_suggestion(), len(model.requests)) == (better, 1)


@pytest.mark.django_db
def test_answer_with_extra_field_is_rejected(model, mailbox):  # noqa: F811
    mail(mailbox)
    process_queued_threads()
    rules = pending_suggestion()
    read = {"prospect": True, "quote": "", "why": "Yes.", "contactEmail": "thief@evil.example"}
    model.answer = respond_with(200, completion(json.dumps(read)))
    assert not ask_model(rules.pk)
    assert pending_suggestion() == rules
    assert AIInteraction.objects.get().metadata[otel_names.ERROR_TYPE] == "wrong_shape"
