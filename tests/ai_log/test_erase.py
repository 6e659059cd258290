"""Tests of erasing texts of the AI log, by age or for a person, while the numbers stay."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from ai_log import transitions
from ai_log.gateway import otel_names
from ai_log.models import ERASING_SETTING, AIInteraction
from tests.cast import browser, make_client, make_lead

pytestmark = pytest.mark.django_db
NUMBERS = (
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "latency_ms",
    "created_at",
    "agent",
    "model_used",
    "feedback",
)
METADATA = {
    otel_names.SYSTEM_INSTRUCTIONS: "Secret text",
    otel_names.INPUT_TOKENS: 7,
    "strange": "Lee's roof",
    otel_names.FINISH_REASONS: ["stop"],
}


def make_interaction(days=0, **kw) -> AIInteraction:
    kw = {
        "type": "Chat",
        "source": "Agent UI",
        "content": "What does Lee want?",
        "ai_response": "A roof.",
        "summary": "Roof",
        "metadata": METADATA,
        "prompt_tokens": 7,
        "cost_usd": Decimal("0.1"),
        "latency_ms": 5,
        "created_at": timezone.now() - timedelta(days=days),
        **kw,
    }
    return AIInteraction.objects.create(**kw)


def command(name, *args) -> str:
    lines = []
    call_command(name, *args, stdout=type("Out", (), {"write": lambda _, text="", **kw: lines.append(text)})())
    return "".join(lines)


def texts(row) -> list[str]:
    row.refresh_from_db()
    return [row.content, row.ai_response, row.summary, row.feedback_comment]


def day_before(days) -> str:
    return str(timezone.localdate() - timedelta(days=days))


def test_old_texts_are_erased_and_numbers_kept():
    old = make_interaction(days=40, feedback="up", feedback_comment="Good", agent="reader", lead=make_lead())
    broken = make_interaction(days=40, ai_response="", error_message="Lee's server broke")
    new = make_interaction(days=3)
    numbers = [getattr(old, name) for name in NUMBERS]
    assert "2 interactions" in command("prune_ai_log", "--before", day_before(30))
    assert texts(old) == [""] * 4
    assert [getattr(old, name) for name in NUMBERS] == numbers
    assert old.metadata == {otel_names.INPUT_TOKENS: 7, otel_names.FINISH_REASONS: ["stop"]}
    assert old.lead
    broken.refresh_from_db()
    assert broken.error_message == "Erased."
    assert texts(new)[0] == "What does Lee want?"
    assert "0 interactions" in command("prune_ai_log", "--before", day_before(30))


def test_erasing_runs_in_batches(monkeypatch):
    monkeypatch.setattr(transitions, "ERASE_BATCH_SIZE", 3)
    at = timezone.now() - timedelta(days=40)
    rows = [make_interaction(created_at=at) for _ in range(10)]
    assert list(transitions.erase_texts(AIInteraction.objects.all())) == [3, 3, 3, 1]
    assert {text for row in rows for text in texts(row)} == {""}


def test_dry_run_erases_nothing():
    row = make_interaction(days=40)
    assert "texts of 1 interactions would be" in command("prune_ai_log", "--before", day_before(30), "--dry-run")
    assert "texts of 0 interactions would be" in command("erase_ai_log", "--email", "lee@example.com", "--dry-run")
    assert texts(row)[0]


def test_invalid_or_future_date_erases_nothing():
    row = make_interaction()
    for day in ("soon", "2026-13-01", day_before(-2)):
        with pytest.raises(CommandError):
            command("prune_ai_log", "--before", day)
    with pytest.raises(CommandError, match="is not an email address. Nothing was erased"):
        command("erase_ai_log", "--email", "lee")
    assert texts(row)[0]


def test_person_is_erased_everywhere():
    lead = make_lead(contact_email="Ann@X.com")
    erased = [
        make_interaction(lead=lead),
        make_interaction(client=make_client(email="ann@x.com")),
        make_interaction(content="Write to ANN@x.com."),
        make_interaction(ai_response="<ann@x.com>, I think"),
        make_interaction(metadata={otel_names.SYSTEM_INSTRUCTIONS: "You write for ann@x.com"}),
        make_interaction(feedback_comment="ann@x.com called"),
        make_interaction(content="", ai_response="", summary="", metadata={}, lead=lead),
    ]
    untouched = [
        make_interaction(content=f"Ask {other}") for other in ("joann@x.com", "ann@x.com.au", "annyx@x.com", "x.com")
    ]
    assert command("erase_ai_log", "--email", "ann@x.com").startswith("Texts and links of 7 interactions")
    for row in erased:
        assert texts(row) == [""] * 4
        assert (row.lead, row.client) == (None, None)
        assert row.cost_usd == Decimal("0.1")
    assert all(texts(row)[0] for row in untouched)
    assert command("erase_ai_log", "--email", "ann@x.com").startswith("Texts and links of 0 interactions")


ERASED = {"content": "", "ai_response": "", "summary": "", "metadata": {}}


@pytest.mark.parametrize(
    "change",
    [
        {**ERASED, "content": "Something else"},
        {**ERASED, "ai_response": "Something else"},
        {**ERASED, "summary": "Something else"},
        {**ERASED, "error_message": "Erased."},
        {**ERASED, "metadata": {otel_names.INPUT_TOKENS: 8}},
        {**ERASED, "metadata": METADATA},
        {**ERASED, "cost_usd": 0},
        {**ERASED, "prompt_tokens": None},
        {**ERASED, "created_at": timezone.now()},
        {"content": ""},
    ],
)
def test_erasing_allows_no_other_change(change):
    row = make_interaction(days=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'yes', true)", [ERASING_SETTING])
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        AIInteraction.objects.filter(pk=row.pk).update(**change)
    AIInteraction.objects.filter(pk=row.pk).update(**ERASED)


def test_texts_are_protected_outside_the_erase_transition():
    row = make_interaction()
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        AIInteraction.objects.filter(pk=row.pk).update(**ERASED)
    list(transitions.erase_texts(AIInteraction.objects.filter(pk=row.pk)))
    other = make_interaction()
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        AIInteraction.objects.filter(pk=other.pk).update(**ERASED)


def test_page_shows_erased_texts(max):
    row = make_interaction()
    list(transitions.erase_texts(AIInteraction.objects.all()))
    page = browser(max).get(f"/ai_log/aiinteraction/{row.pk}/change/").content.decode()
    assert page.count("Erased.") == 2
