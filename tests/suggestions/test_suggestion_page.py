"""One suggestion: what it says, who may decide there, and that looking decides nothing."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from leads.models import LeadStatus, Task
from leads.transitions import change_status
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, reject
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread
from tests.suggestions.full_suggestion import break_next_task, make_complete_suggestion, make_message

EVIL = "<script>alert('x')</script>"


def page_url(suggestion, query=""):
    return reverse("admin:suggestions_suggestion_change", args=[suggestion.pk]) + query


def action_url(suggestion, verb):
    return reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, verb])


def page_text(response) -> str:
    return " ".join(response.content.decode().split())


def form_data(**changes) -> dict[str, str]:
    content = {"title": "Call back", "description": "", "dueOn": "", "assignee": ""}
    return {"with_content": "1", **{f"content.{name}": value for name, value in {**content, **changes}.items()}}


def test_page_shows_action_reason_and_evidence(as_max):
    suggestion = make_complete_suggestion()
    shown = page_text(as_max.get(page_url(suggestion)))
    for words in (
        "Create task “Call back”, unassigned.",
        "They asked for it.",
        "“go ahead”",
        "83 %",
        'width="83.0%"',
        "Based on an outside message",
        "small-model-1",
        "1200 in, 80 out",
        "scout",
        "About the quote",
        "Lee Lead",
        "$5,000",
    ):
        assert words in shown, words
    assert reverse("admin:inbox_thread_change", args=[suggestion.thread_id]) in shown
    assert reverse("admin:ai_log_aiinteraction_change", args=[suggestion.interaction_id]) in shown
    assert reverse("admin:leads_lead_change", args=[suggestion.lead_id]) in shown


def test_invisible_evidence_is_left_out_without_link(ann, as_ann, bob):
    elsewhere = make_thread(lead=make_lead(assigned_to=bob), subject="Bob's own")
    message = make_message(elsewhere)
    suggestion = make_suggestion(
        lead=make_lead(assigned_to=ann),
        evidence=[{"quote": "go ahead", "source": "message", "id": str(message.pk)}],
    )
    shown = page_text(as_ann.get(page_url(suggestion)))
    assert "go ahead" not in shown and "is left out" in shown
    assert str(elsewhere.pk) not in shown
    assert "Bob&#x27;s own" not in shown


@pytest.mark.parametrize(
    "evidence",
    [
        ["a text"],
        [7, None, True],
        [{"quote": {"deep": [1, {"a": None}]}}],
        [{"source": "message", "id": "nonsense"}],
        [{"source": "message", "id": 5, "at": "yesterday"}],
        [{"at": "2026-13-45T99:00"}],
        [[["nested"]]],
    ],
)
def test_malformed_evidence_renders(as_max, evidence):
    assert as_max.get(page_url(make_suggestion(evidence=evidence))).status_code == 200


def test_all_text_is_escaped(as_max, max):
    suggestion = make_complete_suggestion(
        lead=make_lead(contact_name=EVIL, company_name=EVIL),
        suggested_content={"title": EVIL, "description": EVIL + "\n" + EVIL},
    )
    Suggestion.objects.filter(pk=suggestion.pk).update(
        reasoning=EVIL, evidence=[EVIL, {"quote": EVIL}, {EVIL: EVIL}], ai_model_version=EVIL
    )
    mail = Suggestion.objects.create(
        type=SuggestionType.SEND_EMAIL,
        lead=suggestion.lead,
        suggested_content={"subject": EVIL, EVIL: [EVIL, {EVIL: 1}]},
    )
    queue = reverse("admin:suggestions_suggestion_changelist")
    lead = reverse("admin:leads_lead_change", args=[suggestion.lead_id])
    for url in (page_url(suggestion), page_url(mail), queue, f"{queue}?show={suggestion.pk}", lead, "/"):
        assert EVIL not in page_text(as_max.get(url))
    refused = as_max.post(
        action_url(suggestion, "approve"), form_data(title="", description=EVIL, dueOn=EVIL, assignee=EVIL)
    )
    assert refused.status_code == 422
    assert EVIL not in page_text(refused)
    approve(suggestion, by=max, content={"title": "x"}, note=EVIL)
    Suggestion.objects.filter(pk=suggestion.pk).update(result={EVIL: EVIL, "task": EVIL})
    assert EVIL not in page_text(as_max.get(page_url(suggestion)))
    Suggestion.objects.filter(pk=suggestion.pk).update(status=SuggestionStatus.FAILED, error_message=EVIL)
    assert EVIL not in page_text(as_max.get(page_url(suggestion)))


@pytest.mark.parametrize("verb", ["approve", "reject", "snooze"])
@pytest.mark.parametrize("query", ["", "?with_content=1&content.title=x&reason=no&until=Tomorrow&apply=1"])
def test_get_request_decides_nothing(as_max, verb, query):
    suggestion = make_suggestion()
    for method in (as_max.get, as_max.head):
        assert method(action_url(suggestion, verb) + query).status_code == 200
    as_max.get(page_url(suggestion) + query)
    before = suggestion.updated_at
    suggestion.refresh_from_db()
    assert (suggestion.status, suggestion.updated_at, suggestion.snoozed_until) == ("PENDING", before, None)
    assert not Task.objects.exists()


def test_page_never_offers_model_form(as_max, ada):
    suggestion = make_suggestion()
    for client in (as_max, browser(ada)):
        for query in ("", "?edit=1", "?_popup=1"):
            assert "Create task" in page_text(client.get(page_url(suggestion, query)))
        assert client.post(page_url(suggestion), {"status": "APPROVED"}).status_code == 403
        assert 'name="status"' not in page_text(client.get(reverse("admin:suggestions_suggestion_add")))


def test_approving_edited_content_records_both_versions(as_max):
    suggestion = make_suggestion()
    response = as_max.post(
        action_url(suggestion, "approve"), form_data(title="Call twice", dueOn="2026-12-01", note="So.")
    )
    assert response.status_code == 302
    assert "Approved with changes." in " ".join(map(str, get_messages(response.wsgi_request)))
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.MODIFIED
    shown = page_text(as_max.get(page_url(suggestion)))
    for words in ("Call back", "Call twice", "1 Dec 2026", "Approved with changes", "Max"):
        assert words in shown


def test_approving_unchanged_content_is_not_modified(as_max):
    suggestion = make_suggestion(suggested_content={"title": "Call back", "description": "One\nTwo\r\nThree"})
    as_max.post(action_url(suggestion, "approve"), form_data(description="One\r\nTwo\r\nThree"))
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.APPROVED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": ""}, "This must not be empty."),
        ({"title": "x" * 201}, "This must have at most 200 characters."),
        ({"dueOn": "some day"}, "This must be a date, such as 2026-11-30."),
        ({"description": "y" * 1_000_000}, "This must have at most 10,000 characters."),
        ({"title": "nul\x00"}, "Null characters are not allowed."),
        ({"assignee": "nobody-here"}, "There is no active member of staff “nobody-here”."),
    ],
)
def test_invalid_approval_shows_error_and_keeps_typed_text(as_max, changes, said):
    suggestion = make_suggestion()
    response = as_max.post(
        action_url(suggestion, "approve"), {**form_data(**{"title": "My title", **changes}), "note": "My note"}
    )
    assert response.status_code == 422
    shown = page_text(response)
    assert said in shown
    assert "My note" in shown
    if "title" not in changes:
        assert 'value="My title"' in shown
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING
    assert not Task.objects.exists()


def test_late_decision_names_first_reviewer(as_max, ann):
    suggestion = make_suggestion()
    approve(Suggestion.objects.get(pk=suggestion.pk), by=ann)
    for verb, data in (
        ("approve", form_data(title="Mine")),
        ("reject", {"reason": "No."}),
        ("snooze", {"until": "Tomorrow"}),
    ):
        response = as_max.post(action_url(suggestion, verb), data)
        assert response.status_code == 422
        assert "The suggestion is already approved by Ann." in page_text(response)
    assert Task.objects.count() == 1


def test_stage_changed_since_proposal_is_shown(as_max, max):
    suggestion = make_suggestion(SuggestionType.CHANGE_STATUS, lead=make_lead())
    change_status(suggestion.lead, LeadStatus.objects.get(pk="ON_ICE"), by=max)
    response = as_max.post(action_url(suggestion, "approve"))
    assert response.status_code == 422
    assert "has moved to On ice since this was suggested. Approve it again" in page_text(response)


def test_newer_message_is_shown_and_then_can_be_approved(as_max):
    suggestion = make_complete_suggestion()
    make_message(suggestion.thread, "Forget it, we are going elsewhere.", sent_at=timezone.now())
    response = as_max.post(action_url(suggestion, "approve"))
    assert response.status_code == 422
    shown = page_text(response)
    assert "The conversation has newer messages" in shown
    assert "Forget it, we are going elsewhere." in shown
    response = as_max.post(action_url(suggestion, "approve"), {**form_data(), "as_of": response.context["as_of"]})
    assert response.status_code == 302
    assert Task.objects.count() == 1


def test_failed_execution_shows_reason_and_retry(as_max, monkeypatch):
    break_next_task(monkeypatch)
    suggestion = make_suggestion()
    response = as_max.post(action_url(suggestion, "approve"), form_data(title="Call twice"))
    assert response.status_code == 422
    assert "Approved, but the execution failed: The shelf is full." in page_text(response)
    shown = page_text(as_max.get(page_url(suggestion)))
    assert "Try again" in shown
    assert 'value="Call twice"' in shown
    as_max.post(action_url(suggestion, "approve"))
    assert Task.objects.get().title == "Call twice"


def test_rejected_suggestion_can_be_put_back(as_max, max):
    suggestion = reject(make_suggestion(), reason="Too early.", by=max)
    shown = page_text(as_max.get(page_url(suggestion)))
    assert "Too early." in shown
    assert "Return to queue" in shown
    as_max.post(action_url(suggestion, "put-back"))
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING


def test_snooze_until_custom_time(as_max):
    suggestion = make_suggestion()
    when = timezone.localtime() + timedelta(days=2)
    as_max.post(action_url(suggestion, "snooze"), {"until": "Tomorrow", "at": f"{when:%Y-%m-%dT%H:%M}"})
    suggestion.refresh_from_db()
    assert abs(suggestion.snoozed_until - when) < timedelta(minutes=1)
    response = as_max.post(action_url(suggestion, "snooze"), {"until": "Tomorrow", "at": "2020-01-01T10:00"})
    assert "Snooze until a time in the future." in page_text(response)
    assert as_max.post(action_url(suggestion, "snooze"), {"until": "whenever"}).status_code == 422


def test_unsupported_type_can_only_be_rejected(as_max, monkeypatch):
    monkeypatch.delitem(KINDS, SuggestionType.SEND_EMAIL)
    suggestion = Suggestion.objects.create(
        type=SuggestionType.SEND_EMAIL, lead=make_lead(), suggested_content={"subject": "Your quote"}
    )
    shown = page_text(as_max.get(page_url(suggestion)))
    assert "Your quote" in shown
    assert "This type cannot be executed yet" in shown
    response = as_max.post(action_url(suggestion, "approve"))
    assert response.status_code == 422
    assert "A suggestion of type Email cannot be carried out here." in page_text(response)
    as_max.post(action_url(suggestion, "reject"), {"reason": "Written already."})
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.REJECTED


@pytest.mark.parametrize("content", [{}, {"titel": "typo"}, {"title": ["x"], "dueOn": 5}])
def test_malformed_content_is_shown_and_can_be_corrected(as_max, content):
    suggestion = Suggestion.objects.create(type=SuggestionType.TASK, lead=make_lead(), suggested_content=content)
    shown = page_text(as_max.get(page_url(suggestion)))
    assert "The content is not valid." in shown
    assert as_max.post(action_url(suggestion, "approve")).status_code == 422
    assert as_max.post(action_url(suggestion, "approve"), form_data(title="Mended")).status_code == 302
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.MODIFIED


def test_viewer_reads_but_cannot_decide(vera):
    suggestion, viewer = make_suggestion(), browser(vera)
    shown = page_text(viewer.get(page_url(suggestion)))
    assert "Call back" in shown
    assert 'data-key="' not in shown
    for verb in ("approve", "reject", "snooze", "put-back"):
        assert viewer.get(action_url(suggestion, verb)).status_code == 403
        assert viewer.post(action_url(suggestion, verb), {"reason": "No."}).status_code == 403
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING


def test_user_without_role_is_forbidden(stranger):
    suggestion = make_suggestion()
    assert browser(stranger).get(page_url(suggestion)).status_code == 403
    assert browser(stranger).post(action_url(suggestion, "approve")).status_code in {403, 404}
    assert browser(None).get(page_url(suggestion)).url.startswith("/login/")


def test_deleted_suggestion_has_no_decision_buttons(as_max):
    suggestion = make_suggestion()
    as_max.post(reverse("admin:suggestions_suggestion_delete", args=[suggestion.pk]))
    shown = page_text(as_max.get(page_url(suggestion)))
    assert "Deleted on" in shown
    assert 'data-key="' not in shown
    assert as_max.post(action_url(suggestion, "approve")).status_code == 422
    assert as_max.post(action_url(suggestion, "restore")).status_code == 302


@pytest.mark.parametrize("who", ["ann", "max"])
def test_query_count_is_at_most_twenty(db, who, request):
    user = request.getfixturevalue(who)
    suggestion = make_complete_suggestion(lead=make_lead(assigned_to=user), client=make_client(assigned_to=user))
    make_message(suggestion.thread, sent_at=timezone.now())
    as_user = browser(user)
    as_user.get(page_url(suggestion))
    with CaptureQueriesContext(connection) as queries:
        as_user.get(page_url(suggestion))
    assert len(queries) <= 20
