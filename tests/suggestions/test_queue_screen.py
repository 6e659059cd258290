"""The queue: what it holds, what stands beside it, where a decision leads."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from leads.models import Task
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, reject, snooze
from tests.cast import browser, copy_lead, copy_record, make_client, make_lead, make_suggestion, page_text
from tests.suggestions.full_suggestion import make_complete_suggestion

QUEUE = reverse("admin:suggestions_suggestion_changelist")


def action_url(suggestion, verb):
    return reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, verb])


def page(suggestion):
    return reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])


def listed_rows(response) -> list:
    return response.context["cl"].page.rows


def said(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def make_three(**kw):
    """Three that wait, the newest first."""
    return [make_suggestion(suggested_content={"title": f"Task {n}"}, **kw) for n in "abc"][::-1]


def test_tabs_show_matching_counts(as_max, max):
    waits, rejected, approved, snoozed, late = (make_suggestion() for _ in range(5))
    reject(rejected, reason="No.", by=max)
    approve(approved, by=max)
    snooze(snoozed, timezone.now() + timedelta(hours=1), by=max)
    Suggestion.objects.filter(pk=late.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    failed = make_suggestion()
    Suggestion.objects.filter(pk=failed.pk).update(status=SuggestionStatus.FAILED, error_message="No line.")
    assert listed_rows(as_max.get(QUEUE)) == [waits]
    assert listed_rows(as_max.get(QUEUE + "?state=failed")) == [failed]
    assert listed_rows(as_max.get(QUEUE + "?state=snoozed")) == [snoozed]
    assert listed_rows(as_max.get(QUEUE + "?state=approved")) == [approved]
    assert listed_rows(as_max.get(QUEUE + "?state=rejected")) == [rejected]
    assert set(listed_rows(as_max.get(QUEUE + "?state=decided"))) == {approved, rejected}
    assert len(listed_rows(as_max.get(QUEUE + "?state=all"))) == 6
    counts = {tab["label"]: tab["count"] for tab in as_max.get(QUEUE).context["cl"].tabs}
    assert counts == {"To decide": "1", "Failed or unconfirmed": "1", "Decided": "", "Automatic": "", "Deleted": ""}


def test_a_state_without_a_tab_is_a_filter(as_max, max):
    snooze(make_suggestion(), timezone.now() + timedelta(hours=1), by=max)
    shown = as_max.get(QUEUE + "?state=snoozed").context["cl"]
    assert shown.current_tab() is None
    assert [(chip["label"], chip["value"]) for chip in shown.chips()] == [("State", "Snoozed")]


def test_first_suggestion_is_shown_unless_another_is_selected(as_max):
    newest, middle, _ = make_three()
    assert as_max.get(QUEUE).context["chosen"] == newest.pk
    response = as_max.get(f"{QUEUE}?show={middle.pk}")
    assert response.context["chosen"] == middle.pk
    assert "Create task “Task b”" in response.content.decode()
    assert not any("show=" in tab["url"] for tab in response.context["cl"].tabs)
    assert not response.context["cl"].chips()


def test_unknown_selection_shows_message_and_first_suggestion(as_max):
    newest, *_ = make_three()
    for key in ("0199f000-0000-7000-8000-000000000000", "nonsense"):
        response = as_max.get(f"{QUEUE}?show={key}")
        assert response.context["chosen"] == newest.pk
        assert "There is no such suggestion." in response.content.decode()


def test_empty_queue_renders(as_max):
    response = as_max.get(QUEUE)
    assert response.status_code == 200
    assert response.context["chosen"] is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("type=CHANGE_STATUS", ["move"]),
        ("agent=small-model-1", ["sure"]),
        ("sure=90", ["sure"]),
        ("owner=me", ["mine"]),
        ("owner=none", ["move", "old", "sure"]),
        ("older=5", ["old"]),
        ("newer=5", ["mine", "move", "sure"]),
        ("q=quiet+quentin", ["old"]),
    ],
)
def test_queue_filters(as_max, max, asked, found):
    rows = {
        "mine": make_suggestion(lead=make_lead(assigned_to=max)),
        "move": make_suggestion(SuggestionType.CHANGE_STATUS, lead=make_lead()),
        "sure": make_suggestion(confidence="0.95", ai_model_version="small-model-1"),
        "old": make_suggestion(lead=make_lead(contact_name="Quiet Quentin")),
    }
    Suggestion.objects.filter(pk=rows["old"].pk).update(created_at=timezone.now() - timedelta(days=9))
    names = {row.pk: name for name, row in rows.items()}
    assert sorted(names[row.pk] for row in listed_rows(as_max.get(f"{QUEUE}?{asked}"))) == found


def test_queue_filters_by_lead_and_client(as_max):
    suggestion, client = make_suggestion(), make_client()
    other = make_suggestion(client=client)
    response = as_max.get(f"{QUEUE}?lead={suggestion.lead_id}")
    assert listed_rows(response) == [suggestion]
    chips = [(chip["label"], chip["value"], chip["url"]) for chip in response.context["cl"].chips()]
    assert ("Lead", str(suggestion.lead), "?") in chips
    assert listed_rows(as_max.get(f"{QUEUE}?client={client.pk}")) == [other]
    assert listed_rows(as_max.get(f"{QUEUE}?lead={other.pk}")) == []


@pytest.mark.parametrize(
    "asked",
    ["state=x", "sure=many", "older=-1", "lead=x", "after=x", "order=x"],
)
def test_invalid_filter_is_ignored_with_message(as_max, asked):
    suggestion = make_suggestion()
    response = as_max.get(f"{QUEUE}?{asked}")
    assert listed_rows(response) == [suggestion]
    assert len(list(response.context["messages"])) == 1


def test_agent_cannot_see_or_reject_a_colleagues_suggestion(as_ann, bob):
    theirs = make_suggestion(lead=make_lead(assigned_to=bob))
    free = make_suggestion()
    assert listed_rows(as_ann.get(QUEUE + "?state=all")) == [free]
    assert as_ann.get(f"{QUEUE}?show={theirs.pk}").context["chosen"] == free.pk
    assert as_ann.get(page(theirs)).status_code in {302, 404}
    assert as_ann.post(action_url(theirs, "approve")).status_code == 404
    assert as_ann.post(action_url(theirs, "reject"), {"reason": "No."}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.status == SuggestionStatus.PENDING


def test_decision_redirects_to_next_suggestion(as_max):
    newest, middle, oldest = make_three()
    response = as_max.post(action_url(newest, "approve"), {"next": f"{QUEUE}?order=newest&show={newest.pk}"})
    assert response.url == f"{QUEUE}?order=newest&show={middle.pk}"
    assert "Approved. Create task “Task c”" in said(response)
    response = as_max.post(action_url(oldest, "reject"), {"reason": "No.", "next": QUEUE + "?"})
    assert response.url == f"{QUEUE}?show={middle.pk}"
    response = as_max.post(action_url(middle, "approve"), {"next": QUEUE + "?"})
    assert response.url == f"{QUEUE}?"


def test_next_suggestion_respects_the_filter(as_max, max):
    newest, _, oldest = make_three()
    Suggestion.objects.filter(pk=oldest.pk).update(confidence="0.95")
    response = as_max.post(action_url(newest, "approve"), {"next": f"{QUEUE}?sure=90"})
    assert response.url == f"{QUEUE}?sure=90&show={oldest.pk}"


def test_decision_on_own_page_redirects_to_next_page(as_max):
    newest, middle, _ = make_three()
    assert as_max.post(action_url(newest, "approve")).url == page(middle)


def test_decision_from_another_page_returns_there(as_max):
    newest, *_ = make_three()
    lead = reverse("admin:leads_lead_change", args=[newest.lead_id])
    assert as_max.post(action_url(newest, "approve"), {"next": lead}).url == lead


@pytest.mark.parametrize("evil", ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_external_next_url_is_rejected(as_max, evil):
    suggestion = make_suggestion()
    assert evil not in as_max.get(f"{page(suggestion)}?next={evil}").content.decode()
    assert as_max.post(action_url(suggestion, "approve"), {"next": evil}).url.startswith("/suggestions/")


def test_suggestion_put_back_is_selected(as_max, max):
    newest, *_ = make_three()
    reject(newest, reason="No.", by=max)
    response = as_max.post(action_url(newest, "put-back"), {"next": QUEUE + "?state=rejected"})
    assert response.url == f"{QUEUE}?state=rejected&show={newest.pk}"


def test_bulk_approve_reports_each_result(as_max, max):
    rows = make_three()
    reject(rows[0], reason="No.", by=max)
    mail = Suggestion.objects.create(type=SuggestionType.SEND_EMAIL, lead=make_lead())
    chosen = {"action": "approve", "index": "0", "_selected_action": [row.pk for row in (*rows, mail)]}
    asked = as_max.post(QUEUE + "?state=all", chosen)
    assert not Task.objects.exists()
    assert "Approve: 4 suggestions" in asked.content.decode()
    response = as_max.post(QUEUE + "?state=all", {**chosen, "apply": "1", "with_content": "1"})
    told = said(response)
    assert "2 suggestions approved." in told
    assert f"{rows[0]}: The suggestion is already rejected by Max." in told
    assert f"{mail}: subject: This is needed." in told
    assert Task.objects.count() == 2


def test_bulk_reject_needs_one_reason(as_max):
    rows = make_three()
    chosen = {"action": "reject", "index": "0", "_selected_action": [row.pk for row in rows], "apply": "1"}
    response = as_max.post(QUEUE, {**chosen, "reason": ""})
    assert "Enter a comment" in response.content.decode()
    as_max.post(QUEUE, {**chosen, "reason": "Too early."})
    assert Suggestion.objects.filter(status=SuggestionStatus.REJECTED, review_note="Too early.").count() == 3


def test_bulk_snooze(as_max):
    rows = make_three()
    chosen = {"action": "snooze", "index": "0", "_selected_action": [row.pk for row in rows], "apply": "1"}
    as_max.post(QUEUE, {**chosen, "until": "In 3 days"})
    assert Suggestion.objects.filter(snoozed_until__gt=timezone.now() + timedelta(days=1)).count() == 3


def test_viewer_has_no_decision_buttons(vera):
    make_three()
    response = browser(vera).get(QUEUE)
    assert response.status_code == 200
    assert response.context["action_form"] is None
    assert b'data-key="a"' not in response.content


def test_user_without_role_is_forbidden(stranger):
    make_three()
    assert browser(stranger).get(QUEUE).status_code == 403


def test_list_query_skips_large_columns(as_max):
    make_three()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        as_max.get(QUEUE)
    lists = [q["sql"] for q in queries if "_key_created" in q["sql"] or 'AS "gist"' in q["sql"]]
    assert lists
    assert not any('"suggestions"."evidence"' in sql for sql in lists)


@pytest.mark.parametrize("who", ["ann", "max"])
def test_query_count_is_constant_for_1_and_50_rows(db, who, request):
    user = request.getfixturevalue(who)
    as_user = browser(user)

    def cost() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            rows = listed_rows(as_user.get(QUEUE))
        return len(queries), len(rows)

    lead = make_lead(assigned_to=user)
    made = [
        make_suggestion(lead=lead, suggested_content={"title": "x", "assignee": user.username}),
        make_suggestion(SuggestionType.CHANGE_STATUS, lead=lead),
    ]
    make_complete_suggestion(lead=make_lead(assigned_to=user))  # stands beside
    one, few_rows = cost()
    for suggestion in made:
        leads = copy_lead(lead, 25)
        copy_record(suggestion, 25, lambda n, leads=leads: {"lead": leads[n], "dedupe_key": f"{leads[n].pk}"})
    Suggestion.objects.exclude(thread=None).update(created_at=timezone.now())
    many, many_rows = cost()
    assert (few_rows, many_rows) == (3, 25)
    assert many == one <= 15


def test_queue_begins_with_the_most_urgent_and_valuable(as_max):
    dear, cheap = make_lead(estimated_value=48_200), make_lead(estimated_value=900)
    rows = {
        "reply, dear": make_suggestion("REPLY", lead=dear),
        "reply, cheap": make_suggestion("REPLY", lead=cheap),
        "task, dear": make_suggestion(lead=dear),
        "task today, dear": make_suggestion(
            lead=dear, suggested_content={"title": "Call", "dueOn": str(timezone.localdate())}
        ),
        "task, cheap": make_suggestion(lead=cheap),
        "email, unknown": make_suggestion("SEND_EMAIL", lead=make_lead()),
    }
    names = {row.pk: name for name, row in rows.items()}
    assert [names[row.pk] for row in listed_rows(as_max.get(QUEUE))] == [
        *("task today, dear", "reply, dear", "reply, cheap", "email, unknown", "task, dear", "task, cheap"),
    ]
    assert names[listed_rows(as_max.get(QUEUE + "?state=all"))[0].pk] == "email, unknown"
    refused = as_max.get(QUEUE + "?state=all&order=urgent")
    assert refused.context["cl"].order_name == "newest"


def test_rows_are_titled_by_action_and_person(as_max):
    lead = make_lead(contact_name="Rajesh Nair", company_name="Heartland Solar")
    reply = make_suggestion("REPLY", lead=lead, suggested_content={"body": ""}, reasoning="Needs your reply.")
    make_suggestion("CREATE_LEAD")
    response = as_max.get(f"{QUEUE}?show={reply.pk}")
    titles = {row.title: row.headline for row in listed_rows(response)}
    assert titles == {"Reply · Rajesh Nair": "Needs your reply.", "New lead · Nora New": "New lead Nora New"}
    page = page_text(response)
    assert "<b>Needs your reply.</b> There is no draft: write it below, then approve." in page


def test_reply_without_draft_is_approved_only_once_written(as_max):
    reply = make_suggestion("REPLY", suggested_content={"body": ""})
    assert "Fill in before sending: your reply." in said_or_shown(as_max.post(action_url(reply, "approve")))
    reply.refresh_from_db()
    assert reply.status == SuggestionStatus.PENDING


def said_or_shown(response) -> str:
    return said(response) + page_text(response)
