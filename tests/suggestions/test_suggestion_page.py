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
from tests.suggestions.full import breaks, make_full, make_message

EVIL = "<script>alert('x')</script>"


def page(suggestion, query=""):
    return reverse("admin:suggestions_suggestion_change", args=[suggestion.pk]) + query


def do(suggestion, verb):
    return reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, verb])


def text(response) -> str:
    return response.content.decode()


def typed(**changes) -> dict[str, str]:
    content = {"title": "Call back", "description": "", "dueOn": "", "assignee": ""}
    return {"with_content": "1", **{f"content.{name}": value for name, value in {**content, **changes}.items()}}


def test_it_says_what_will_happen_why_and_on_what_it_rests(as_max):
    suggestion = make_full()
    shown = text(as_max.get(page(suggestion)))
    for words in (
        "Adds the task “Call back” for nobody yet.",
        "They asked for it.",
        "“go ahead”",
        "83 %",
        "width:83%",
        "Rests on words from outside",
        "small-model-1",
        "1200 read, 80 written",
        "scout",
        "About the quote",
        "Lee Lead",
        "$5,000",
    ):
        assert words in shown, words
    assert reverse("admin:inbox_thread_change", args=[suggestion.thread_id]) in shown
    assert reverse("admin:ai_log_aiinteraction_change", args=[suggestion.interaction_id]) in shown
    assert reverse("admin:leads_lead_change", args=[suggestion.lead_id]) in shown


def test_what_may_not_be_seen_is_quoted_without_a_link(ann, as_ann, bob):
    elsewhere = make_thread(lead=make_lead(assigned_to=bob), subject="Bob's own")
    message = make_message(elsewhere)
    suggestion = make_suggestion(
        lead=make_lead(assigned_to=ann),
        thread=elsewhere,
        evidence=[{"quote": "go ahead", "source": "message", "id": str(message.pk)}],
    )
    shown = text(as_ann.get(page(suggestion)))
    assert "“go ahead”" in shown
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
def test_evidence_of_any_shape_is_shown(as_max, evidence):
    assert as_max.get(page(make_suggestion(evidence=evidence))).status_code == 200


def test_everything_that_was_written_is_escaped(as_max, max):
    suggestion = make_full(
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
    for url in (page(suggestion), page(mail), queue, f"{queue}?show={suggestion.pk}", lead, "/"):
        assert EVIL not in text(as_max.get(url))
    refused = as_max.post(do(suggestion, "approve"), typed(title="", description=EVIL, dueOn=EVIL, assignee=EVIL))
    assert refused.status_code == 422
    assert EVIL not in text(refused)
    approve(suggestion, by=max, content={"title": "x"}, note=EVIL)
    Suggestion.objects.filter(pk=suggestion.pk).update(result={EVIL: EVIL, "task": EVIL})
    assert EVIL not in text(as_max.get(page(suggestion)))
    Suggestion.objects.filter(pk=suggestion.pk).update(status=SuggestionStatus.FAILED, error_message=EVIL)
    assert EVIL not in text(as_max.get(page(suggestion)))


@pytest.mark.parametrize("verb", ["approve", "reject", "snooze"])
@pytest.mark.parametrize("query", ["", "?with_content=1&content.title=x&reason=no&until=Tomorrow&apply=1"])
def test_looking_decides_nothing(as_max, verb, query):
    suggestion = make_suggestion()
    for method in (as_max.get, as_max.head):
        assert method(do(suggestion, verb) + query).status_code == 200
    as_max.get(page(suggestion) + query)
    before = suggestion.updated_at
    suggestion.refresh_from_db()
    assert (suggestion.status, suggestion.updated_at, suggestion.snoozed_until) == ("PENDING", before, None)
    assert not Task.objects.exists()


def test_it_is_never_a_form_of_its_columns(as_max, ada):
    suggestion = make_suggestion()
    for client in (as_max, browser(ada)):
        for query in ("", "?edit=1", "?_popup=1"):
            assert "Adds the task" in text(client.get(page(suggestion, query)))
        assert client.post(page(suggestion), {"status": "APPROVED"}).status_code == 403
        assert 'name="status"' not in text(client.get(reverse("admin:suggestions_suggestion_add")))


def test_approving_with_a_changed_field_records_both(as_max):
    suggestion = make_suggestion()
    response = as_max.post(do(suggestion, "approve"), typed(title="Call twice", dueOn="2026-12-01", note="So."))
    assert response.status_code == 302
    assert "Approved with changes." in " ".join(map(str, get_messages(response.wsgi_request)))
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.MODIFIED
    shown = text(as_max.get(page(suggestion)))
    for words in ("Call back", "Call twice", "1 Dec 2026", "Approved with changes", "Max"):
        assert words in shown


def test_approving_as_it_stands_is_no_change(as_max):
    suggestion = make_suggestion(suggested_content={"title": "Call back", "description": "One\nTwo\r\nThree"})
    as_max.post(do(suggestion, "approve"), typed(description="One\r\nTwo\r\nThree"))
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
        ({"assignee": "nobody-here"}, "Nobody of the name “nobody-here” works here."),
    ],
)
def test_a_refusal_says_why_and_keeps_what_was_typed(as_max, changes, said):
    suggestion = make_suggestion()
    response = as_max.post(do(suggestion, "approve"), {**typed(**{"title": "My title", **changes}), "note": "My note"})
    assert response.status_code == 422
    shown = text(response)
    assert said in shown
    assert "My note" in shown
    if "title" not in changes:
        assert 'value="My title"' in shown
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING
    assert not Task.objects.exists()


def test_somebody_who_is_too_late_is_told_who_was_first(as_max, ann):
    suggestion = make_suggestion()
    approve(Suggestion.objects.get(pk=suggestion.pk), by=ann)
    for verb, data in (
        ("approve", typed(title="Mine")),
        ("reject", {"reason": "No."}),
        ("snooze", {"until": "Tomorrow"}),
    ):
        response = as_max.post(do(suggestion, verb), data)
        assert response.status_code == 422
        assert "The suggestion is already approved by Ann." in text(response)
    assert Task.objects.count() == 1


def test_a_lead_that_has_moved_meanwhile_is_pointed_out(as_max, max):
    suggestion = make_suggestion(SuggestionType.CHANGE_STATUS, lead=make_lead())
    change_status(suggestion.lead, LeadStatus.objects.get(pk="ON_ICE"), by=max)
    response = as_max.post(do(suggestion, "approve"))
    assert response.status_code == 422
    assert "has moved to On ice since this was suggested. Approve it again" in text(response)


def test_news_in_the_conversation_is_shown_and_then_it_can_be_approved(as_max):
    suggestion = make_full()
    make_message(suggestion.thread, "Forget it, we are going elsewhere.", sent_at=timezone.now())
    response = as_max.post(do(suggestion, "approve"))
    assert response.status_code == 422
    shown = text(response)
    assert "The conversation has gone on since this was suggested" in shown
    assert "Forget it, we are going elsewhere." in shown
    response = as_max.post(do(suggestion, "approve"), {**typed(), "as_of": response.context["as_of"]})
    assert response.status_code == 302
    assert Task.objects.count() == 1


def test_a_deed_that_fails_says_why_and_offers_to_try_again(as_max, monkeypatch):
    breaks(monkeypatch)
    suggestion = make_suggestion()
    response = as_max.post(do(suggestion, "approve"), typed(title="Call twice"))
    assert response.status_code == 422
    assert "It was approved, but could not be done: The shelf is full." in text(response)
    shown = text(as_max.get(page(suggestion)))
    assert "Try again" in shown
    assert 'value="Call twice"' in shown
    as_max.post(do(suggestion, "approve"))
    assert Task.objects.get().title == "Call twice"


def test_a_rejected_one_can_be_put_back(as_max, max):
    suggestion = reject(make_suggestion(), reason="Too early.", by=max)
    shown = text(as_max.get(page(suggestion)))
    assert "Too early." in shown
    assert "Put back" in shown
    as_max.post(do(suggestion, "put-back"))
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING


def test_it_is_snoozed_until_a_moment_of_one_s_own(as_max):
    suggestion = make_suggestion()
    when = timezone.localtime() + timedelta(days=2)
    as_max.post(do(suggestion, "snooze"), {"until": "Tomorrow", "at": f"{when:%Y-%m-%dT%H:%M}"})
    suggestion.refresh_from_db()
    assert abs(suggestion.snoozed_until - when) < timedelta(minutes=1)
    response = as_max.post(do(suggestion, "snooze"), {"until": "Tomorrow", "at": "2020-01-01T10:00"})
    assert "Snooze until a time in the future." in text(response)
    assert as_max.post(do(suggestion, "snooze"), {"until": "whenever"}).status_code == 422


def test_a_type_that_cannot_be_carried_out_says_so_and_can_be_rejected(as_max, monkeypatch):
    monkeypatch.delitem(KINDS, SuggestionType.SEND_EMAIL)
    suggestion = Suggestion.objects.create(
        type=SuggestionType.SEND_EMAIL, lead=make_lead(), suggested_content={"subject": "Your quote"}
    )
    shown = text(as_max.get(page(suggestion)))
    assert "Your quote" in shown
    assert "cannot carry it out yet" in shown
    response = as_max.post(do(suggestion, "approve"))
    assert response.status_code == 422
    assert "A suggestion of type Email cannot be carried out here." in text(response)
    as_max.post(do(suggestion, "reject"), {"reason": "Written already."})
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.REJECTED


@pytest.mark.parametrize("content", [{}, {"titel": "typo"}, {"title": ["x"], "dueOn": 5}])
def test_a_malformed_content_is_shown_and_can_be_mended(as_max, content):
    suggestion = Suggestion.objects.create(type=SuggestionType.TASK, lead=make_lead(), suggested_content=content)
    shown = text(as_max.get(page(suggestion)))
    assert "Its content is not what it should be." in shown
    assert as_max.post(do(suggestion, "approve")).status_code == 422
    assert as_max.post(do(suggestion, "approve"), typed(title="Mended")).status_code == 302
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.MODIFIED


def test_a_viewer_reads_it_and_cannot_decide(vera):
    suggestion, viewer = make_suggestion(), browser(vera)
    shown = text(viewer.get(page(suggestion)))
    assert "Call back" in shown
    assert 'data-key="' not in shown
    for verb in ("approve", "reject", "snooze", "put-back"):
        assert viewer.get(do(suggestion, verb)).status_code == 403
        assert viewer.post(do(suggestion, verb), {"reason": "No."}).status_code == 403
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING


def test_whoever_has_no_role_is_kept_out(stranger):
    suggestion = make_suggestion()
    assert browser(stranger).get(page(suggestion)).status_code == 403
    assert browser(stranger).post(do(suggestion, "approve")).status_code in {403, 404}
    assert browser(None).get(page(suggestion)).url.startswith("/login/")


def test_a_deleted_one_is_offered_no_decision(as_max):
    suggestion = make_suggestion()
    as_max.post(reverse("admin:suggestions_suggestion_delete", args=[suggestion.pk]))
    shown = text(as_max.get(page(suggestion)))
    assert "Deleted on" in shown
    assert 'data-key="' not in shown
    assert as_max.post(do(suggestion, "approve")).status_code == 422
    assert as_max.post(do(suggestion, "restore")).status_code == 302


@pytest.mark.parametrize("who", ["ann", "max"])
def test_it_costs_at_most_twenty_queries(db, who, request):
    user = request.getfixturevalue(who)
    suggestion = make_full(lead=make_lead(assigned_to=user), client=make_client(assigned_to=user))
    make_message(suggestion.thread, sent_at=timezone.now())
    as_user = browser(user)
    as_user.get(page(suggestion))
    with CaptureQueriesContext(connection) as queries:
        as_user.get(page(suggestion))
    assert len(queries) <= 20
