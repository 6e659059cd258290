"""An execution proposes its follow-on suggestion in the same transaction."""

from django.urls import reverse

from crm.exceptions import IllegalTransition
from suggestions.kinds import FollowOn
from suggestions.kinds.task import TaskKind
from suggestions.models import ExecutionState, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve
from tests.cast import browser, make_suggestion


def patch_follow_ons(monkeypatch, make) -> None:
    """Let every task that is added lead to what `make` makes of its suggestion; what follows leads to nothing."""

    def follow_ons(payload, suggestion, result):
        return [] if payload.title == "Second" else make(suggestion)

    monkeypatch.setattr(TaskKind, "follow_ons", follow_ons)


def make_follow_on(suggestion, **content) -> Suggestion:
    return Suggestion(type=SuggestionType.TASK, lead=suggestion.lead, suggested_content={"title": "Second", **content})


def test_follow_on_suggestions_are_created_and_linked(monkeypatch, ann):
    patch_follow_ons(
        monkeypatch, lambda first: [FollowOn(make_follow_on(first)), FollowOn(make_follow_on(first), as_draft=True)]
    )
    first = make_suggestion()
    approve(first, by=ann)
    waiting, draft = Suggestion.objects.exclude(pk=first.pk).order_by("id")
    assert first.result["suggestions"] == [str(waiting.pk), str(draft.pk)]
    assert (waiting.status, draft.status) == (SuggestionStatus.PENDING, SuggestionStatus.DRAFT)
    assert waiting.agent == "The program"
    page = browser(ann).get(reverse("admin:suggestions_suggestion_change", args=[first.pk])).content.decode()
    for one in (waiting, draft):
        assert reverse("admin:suggestions_suggestion_change", args=[one.pk]) in page


def test_follow_on_inherits_taint(monkeypatch, ann):
    patch_follow_ons(monkeypatch, lambda first: [FollowOn(make_follow_on(first))])
    tainted, clean = make_suggestion(tainted=True), make_suggestion()
    for one in (tainted, clean):
        approve(one, by=ann)
    follows = [Suggestion.objects.get(pk=one.result["suggestions"][0]) for one in (tainted, clean)]
    assert [one.tainted for one in follows] == [True, False]


def test_invalid_follow_on_is_reported_and_others_continue(monkeypatch, ann):
    patch_follow_ons(
        monkeypatch, lambda first: [FollowOn(make_follow_on(first, colour="red")), FollowOn(make_follow_on(first))]
    )
    first = make_suggestion()
    approve(first, by=ann)
    assert first.executions.get().state == ExecutionState.SUCCEEDED
    assert first.result["not_suggested"] == "colour: There is no such field."
    assert len(first.result["suggestions"]) == 1


def test_follow_on_respects_lead_limit(monkeypatch, ann):
    patch_follow_ons(monkeypatch, lambda first: [FollowOn(make_follow_on(first))])
    first = make_suggestion()
    follows = [make_suggestion(lead=first.lead, suggested_content={"title": title}) for title in ("a", "b")]
    approve(first, by=ann)
    assert len(first.result["suggestions"]) == 1
    approve(follows[0], by=ann)
    assert len(follows[0].result["suggestions"]) == 1
    # Two that followed and one of the old ones wait: approving leaves two, so one more may come, and then none.
    Suggestion.objects.filter(pk=follows[1].pk).update(status=SuggestionStatus.FAILED, error_message="Once.")
    make_suggestion(lead=first.lead, suggested_content={"title": "Second"})
    follows[1].refresh_from_db()
    approve(follows[1], by=ann)
    assert "3 suggestions are waiting for" in follows[1].result["not_suggested"]
    assert "suggestions" not in follows[1].result


def test_failed_follow_on_keeps_the_execution(monkeypatch, ann):
    def refuse(suggestion):
        raise IllegalTransition("Nobody knows what follows.")

    patch_follow_ons(monkeypatch, refuse)
    first = make_suggestion()
    approve(first, by=ann)
    assert first.status == SuggestionStatus.APPROVED
    assert first.result["not_suggested"] == "Nobody knows what follows."
