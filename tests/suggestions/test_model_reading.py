"""A model reads who may become a lead: what it copies stands in the mail, and it makes nobody surer."""

import json
from decimal import Decimal

import pytest
from pydantic_ai import models as pydantic_ai_models

from agents.drafting.improve_draft import ask_model
from agents.drafting.read_prospect import Mail, Reading, bettered, found, opinion
from agents.triage.triage_threads import TRIAGE, triage
from ai_log.gateway import otel_names
from ai_log.models import AIInteraction
from suggestions.models import Suggestion, SuggestionStatus
from tests.ai_log.provider import completion, provider_of_models
from tests.http import say
from tests.suggestions.test_triage import PROSPECT, mail, mailbox  # noqa: F401 - a fixture

BODY = """Hello,

we run a bakery with six employees on Mill Lane. Could you send us a quote
for public cover?

Nora New, Director
new bread
+1 (419) 555-0188
"""
MAIL = Mail("A question", "N. N.", BODY, {"general_liability": "General liability", "auto": "Auto"})
NEED = "Could you send us a quote for public cover?"


def reading(**kw) -> Reading:
    return Reading(**{"prospect": True, "quote": NEED, "why": "They ask for a quote.", **kw})


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
def test_what_it_copies_stands_in_the_mail_letter_by_letter(field, value, name, held):
    assert found(MAIL, reading(**{field: value})) == ({name: value} if held else {})


def test_a_line_is_one_of_ours_and_rests_on_words_of_theirs():
    assert found(MAIL, reading(line="general_liability", line_words="quote for public cover")) != {}
    assert found(MAIL, reading(line="general_liability", line_words="liability")) == {}
    assert found(MAIL, reading(line="general_liability")) == {}
    assert found(MAIL, reading(line="yachts", line_words="public cover")) == {}


def test_a_company_is_no_link_no_address_and_nothing_unseen():
    for company in ("https://evil.example/x", "ceo@evil.example", "Br\u200bead", "x" * 81, "new\nbread"):
        text = Mail("", "", company, {})
        assert found(text, reading(company=company)) == {}, company


def test_the_address_the_source_and_the_value_are_never_a_models():
    content = {"contactName": "N. N.", "contactEmail": "nora@newbread.example", "estimatedValue": "2400", "notes": "x"}
    read = reading(name="Nora New", company="new bread", need=NEED)
    assert bettered(content, MAIL, read) == {
        **content,
        "contactName": "Nora New",
        "companyName": "new bread",
        "notes": f"{NEED}\n\nx",
    }
    assert {"contactEmail", "email", "address", "value"}.isdisjoint(Reading.model_fields)


def test_a_second_opinion_makes_nobody_surer():
    sure = Decimal("0.80")
    assert opinion(MAIL, reading(), sure)[0] == sure
    assert opinion(MAIL, reading(prospect=False), sure)[0] == Decimal("0.50")
    assert opinion(MAIL, reading(prospect=False), Decimal("0.30"))[0] == Decimal("0.30")
    assert opinion(MAIL, reading(prospect=False, quote="It says nowhere."), sure)[0] == sure
    assert opinion(MAIL, reading(prospect=False), None)[0] is None


# In the database


@pytest.fixture
def model(settings, monkeypatch):
    monkeypatch.setattr(pydantic_ai_models, "ALLOW_MODEL_REQUESTS", True)
    with provider_of_models(settings) as given:
        yield given


def waiting() -> Suggestion:
    return Suggestion.objects.get(agent=str(TRIAGE), status=SuggestionStatus.PENDING)


@pytest.mark.django_db
def test_somebody_new_is_read_again_by_a_model(model, mailbox):  # noqa: F811
    came = mail(mailbox)
    triage()
    rules = waiting()
    read = {"name": "Nora New", "company": "New Bread Ltd", "need": "our insurance renews in March", "phone": "911"}
    read |= {"prospect": False, "quote": "our insurance renews in March", "why": "They only ask."}
    model.answer = say(200, completion(json.dumps(read)))
    assert ask_model(rules.pk)
    better, row = waiting(), AIInteraction.objects.get()
    assert better.suggested_content == {
        **rules.suggested_content,
        "contactName": "Nora New",
        "companyName": "New Bread Ltd",
        "notes": better.suggested_content["notes"],
    }
    assert better.suggested_content["contactEmail"] == came.from_email
    assert (better.confidence, better.interaction, better.tainted) == (Decimal("0.50"), row, True)
    assert better.reasoning.endswith("A model takes them for no prospect: They only ask.")
    assert (row.agent, row.type, row.summary) == ("Triage", "PromptResponse", "No prospect: They only ask.")
    assert PROSPECT.strip() in [row.content[start:end].strip() for start, end in row.metadata[otel_names.OUTSIDE]]
    came.thread.__class__.objects.update(triaged_at=None)
    triage()
    assert (waiting(), len(model.asked)) == (better, 1)


@pytest.mark.django_db
def test_an_answer_with_an_address_is_none(model, mailbox):  # noqa: F811
    mail(mailbox)
    triage()
    rules = waiting()
    read = {"prospect": True, "quote": "", "why": "Yes.", "contactEmail": "thief@evil.example"}
    model.answer = say(200, completion(json.dumps(read)))
    assert not ask_model(rules.pk)
    assert waiting() == rules
    assert AIInteraction.objects.get().metadata[otel_names.ERROR] == "wrong_shape"
