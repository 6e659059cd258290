"""A pull request is opened on a real server, once, whatever that server does."""

import logging
import socket

import httpx
import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from suggestions import forge as talking
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, carry_out, settle, undo
from tests.cast import browser, make_suggestion, make_user
from tests.http import cut, say
from tests.suggestions.kinds.forge import LONG, TOKEN, cut_in_the_middle, drip, running_forge, slow

PR = SuggestionType.PR
FIRST = "https://forge.example.com/agency/website/pulls/1"


@pytest.fixture
def forge(settings, monkeypatch):
    monkeypatch.setattr(talking, "PATIENCE", httpx.Timeout(0.5))
    monkeypatch.setattr(talking, "WHOLE_ANSWER", 0.5)
    with running_forge(settings, monkeypatch) as running:
        yield running


@pytest.fixture
def dev(db):
    """Somebody who may let pull requests be opened."""
    user = make_user("dev", "agent")
    user.user_permissions.add(Permission.objects.get(codename="open_pull_request"))
    return type(user).objects.get(pk=user.pk)


def opened(dev, **kw) -> tuple[Suggestion, SuggestionExecution]:
    """A suggestion that was approved and carried out as far as that goes."""
    suggestion = make_suggestion(PR, **kw)
    approve(suggestion, by=dev)
    return suggestion, again(suggestion)


def again(suggestion: Suggestion) -> SuggestionExecution:
    """What becomes of it when its job runs now."""
    execution = suggestion.executions.latest("attempt")
    SuggestionExecution.objects.filter(pk=execution.pk).update(run_after=execution.created_at)
    carry_out(execution.pk)
    execution.refresh_from_db()
    suggestion.refresh_from_db()
    return execution


def test_it_is_opened_as_it_was_approved(forge, dev):
    suggestion, execution = opened(dev)
    (pull,) = forge.pulls
    assert (pull["title"], pull["head"], pull["base"]) == ("Correct the opening hours", "opening-hours", "main")
    assert pull["body"].endswith(f"<!-- suggestion {execution.idempotency_key} -->")
    assert (execution.state, execution.external_reference) == (ExecutionState.SUCCEEDED, FIRST)
    assert suggestion.result == {"pull_request": FIRST}
    assert (
        FIRST in browser(dev).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])).content.decode()
    )


def test_a_second_execution_is_impossible(forge, dev):
    suggestion, execution = opened(dev)
    carry_out(execution.pk)
    with pytest.raises(IllegalMove, match="already approved"):
        approve(suggestion, by=dev)
    assert forge.posts() == 1


def test_it_cannot_be_undone_and_says_so(forge, dev):
    suggestion, _ = opened(dev)
    with pytest.raises(IllegalMove, match="close it on the forge"):
        undo(suggestion, by=dev)


def test_taken_back_before_it_went_out_nothing_is_sent(forge, dev):
    suggestion = make_suggestion(PR)
    approve(suggestion, by=dev)
    undo(suggestion, by=dev)
    assert again(suggestion).state == ExecutionState.CANCELLED
    assert forge.asked == []


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (say(401, {"message": "Bad credentials"}), "The forge answered 401: Bad credentials."),
        (say(403, {"message": "Forbidden <b>now</b>"}), "The forge answered 403: Forbidden <b>now</b>."),
        (say(404, {"message": "Not Found"}), "The forge answered 404: Not Found."),
        (say(404, b"<html>Not here</html>"), "The forge answered 404 and does not say why."),
        (
            say(422, {"message": "Validation Failed", "errors": [{"message": "No commits between main and x"}]}),
            "The forge answered 422: Validation Failed No commits between main and x.",
        ),
        (say(422, {"message": 7, "errors": {"a": 1}}), "The forge answered 422 and does not say why."),
        (say(301, b"", Location="http://127.0.0.1:9/elsewhere"), "What answered 301 does not speak as a forge does"),
        (say(200, b"<html>Welcome</html>"), "What answered 200 does not speak as a forge does"),
    ],
)
def test_what_the_forge_refuses_has_failed_with_its_sentence(forge, dev, answer, sentence):
    forge.post = answer
    suggestion, execution = opened(dev)
    assert (execution.state, suggestion.status) == (ExecutionState.FAILED, SuggestionStatus.FAILED)
    assert sentence in suggestion.error_message
    assert forge.posts() == 1
    page = browser(dev).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])).content.decode()
    assert "<b>now</b>" not in page


def test_a_long_refusal_is_cut(forge, dev):
    forge.post = say(404, {"message": "no " * 5_000})
    suggestion, _ = opened(dev)
    assert len(suggestion.error_message) < 400


@pytest.mark.parametrize(
    "answer", [say(429, {"message": "Slow down"}), say(403, {"message": "Wait"}, Retry_After="60")]
)
def test_turned_away_at_the_door_it_is_tried_again_by_itself(forge, dev, answer):
    forge.post = answer
    suggestion, execution = opened(dev)
    assert (execution.state, suggestion.status) == (ExecutionState.QUEUED, SuggestionStatus.APPROVED)
    assert execution.put_off == 1
    forge.post = None
    assert again(suggestion).state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == 1


@pytest.mark.parametrize("fault", [say(500, {"message": "Oops"}), say(502, b"<html>Bad gateway"), cut, slow])
def test_what_did_not_arrive_is_tried_again_once_the_forge_says_that_it_is_not_there(forge, dev, fault):
    forge.post = fault
    suggestion, execution = opened(dev)
    assert execution.state == ExecutionState.QUEUED
    forge.post = None
    assert again(suggestion).state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == 1


@pytest.mark.parametrize(
    "fault", [say(500, {}), say(504, b""), cut, slow, cut_in_the_middle, say(201, b"<html>"), say(201, b"x" * LONG)]
)
def test_what_did_arrive_is_found_by_its_mark_and_not_sent_again(forge, dev, fault):
    forge.post_after = fault
    suggestion, execution = opened(dev)
    assert (execution.state, execution.external_reference) == (ExecutionState.SUCCEEDED, FIRST)
    assert forge.posts() == 1


def test_where_the_forge_does_not_say_nobody_knows_and_a_person_does(forge, dev):
    forge.post_after = lambda handler: (setattr(forge, "get", say(500, {"message": "Down"})), cut(handler))
    suggestion, execution = opened(dev)
    assert (execution.state, suggestion.status) == (ExecutionState.UNKNOWN, SuggestionStatus.FAILED)
    assert "broke off the connection. Asked whether it arrived: The forge answered 500: Down." in execution.error
    forge.get = None
    settle(suggestion, happened=False, by=dev)
    # They were mistaken: before anything is sent again, the forge is asked once more.
    assert again(suggestion).state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == forge.posts() == 1


def test_a_pull_request_closed_since_is_not_opened_a_second_time(forge, dev):
    forge.post_after = lambda handler: (forge.pulls[0].update(state="closed"), cut(handler))
    _, execution = opened(dev)
    assert execution.state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == 1


def test_one_for_the_same_branches_that_is_not_ours_is_told(forge, dev):
    theirs = {"title": "Theirs", "head": "opening-hours", "base": "main", "body": None, "state": "open"}
    forge.pulls.append(theirs)
    suggestion, execution = opened(dev)
    assert execution.state == ExecutionState.FAILED
    assert "A pull request already exists for agency:opening-hours." in suggestion.error_message


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (say(404, {"message": "Not Found"}), ExecutionState.FAILED),
        (say(200, b"<html>Sign in</html>"), ExecutionState.FAILED),
        (say(200, [{"body": "x" * LONG}]), ExecutionState.FAILED),
        (drip, ExecutionState.FAILED),
        (say(302, b"", Location="/api/repos/agency/website/pulls?elsewhere"), ExecutionState.FAILED),
        (say(503, b""), ExecutionState.QUEUED),
        (cut, ExecutionState.QUEUED),
        (slow, ExecutionState.QUEUED),
    ],
)
def test_where_it_cannot_be_asked_beforehand_nothing_is_sent(forge, dev, answer, state):
    forge.get = answer
    _, execution = opened(dev)
    assert execution.state == state
    assert [method for method, _ in forge.asked] == ["GET"]


def test_a_forge_that_cannot_be_reached_is_tried_again(settings, monkeypatch, dev):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.FORGE_URL, settings.FORGE_TOKEN = f"http://127.0.0.1:{taken.getsockname()[1]}", TOKEN
        _, execution = opened(dev)
    assert (execution.state, execution.error) == (ExecutionState.QUEUED, "The forge cannot be reached.")


@pytest.mark.parametrize("arrived", [True, False])
def test_a_worker_that_died_in_the_middle_leaves_nothing_twice(forge, dev, arrived):
    suggestion = make_suggestion(PR)
    approve(suggestion, by=dev)
    with pytest.MonkeyPatch.context() as patch:
        real = talking.ask

        def ask(method, path, **kw):
            if method == "GET" or arrived:
                answer = real(method, path, **kw)
            if method == "POST":
                raise KeyboardInterrupt
            return answer

        patch.setattr(talking, "ask", ask)
        with pytest.raises(KeyboardInterrupt):
            again(suggestion)
    assert suggestion.executions.get().state == ExecutionState.RUNNING
    assert again(suggestion).state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == 1


def test_a_permission_revoked_meanwhile_stops_it(forge, dev):
    suggestion = make_suggestion(PR)
    approve(suggestion, by=dev)
    dev.user_permissions.clear()
    assert again(suggestion).state == ExecutionState.FAILED
    assert suggestion.error_message == "Dev may not open a pull request any more."
    assert forge.asked == []


def test_whoever_may_not_open_pull_requests_lets_none_be_opened(forge, ann):
    suggestion = make_suggestion(PR)
    with pytest.raises(NotAllowed, match="may not open a pull request"):
        approve(suggestion, by=ann)


@pytest.mark.parametrize("missing", ["FORGE_URL", "FORGE_TOKEN"])
def test_without_a_forge_none_is_proposed_and_none_sent(forge, settings, dev, missing):
    suggestion = make_suggestion(PR)
    approve(suggestion, by=dev)
    setattr(settings, missing, "")
    with pytest.raises(IllegalMove, match="No forge is set up here"):
        make_suggestion(PR)
    assert again(suggestion).state == ExecutionState.FAILED
    assert forge.asked == []


def test_the_token_is_neither_kept_nor_shown_nor_logged(forge, dev, caplog):
    caplog.set_level(logging.DEBUG)
    forge.post = say(401, {"message": "Bad credentials"})
    suggestion, execution = opened(dev)
    kept = f"{suggestion.error_message}{suggestion.result}{execution.error}{caplog.text}"
    assert TOKEN not in kept
    assert "401" in kept


def test_a_redirect_is_never_followed(forge, dev):
    forge.post = say(307, b"", Location=f"{forge.url}/repos/somebody/else/pulls")
    opened(dev)
    assert not any("somebody" in path for _, path in forge.asked)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("repository", bad)
            for bad in (
                "website",
                "../website",
                "agency/..",
                "agency/a..b",
                "agency/website/../../admin",
                "agency/website?x=1",
                "agency/web site",
                "agency/website#",
                "agency/%2e%2e",
                "https://evil.example.com/a/b",
                "agency\\website",
                "agency/wébsite",
                "agency/.",
                "@evil/website",
                "agency/website\n",
            )[:-1]
        ),
        *(
            ("base", bad)
            for bad in (
                "",
                "-f",
                "a..b",
                "a//b",
                "/a",
                "a/",
                "a b",
                "a~1",
                "a^",
                "a:b",
                "a.lock",
                ".a",
                "a/.b",
                "a@{1",
                "a\\b",
            )
        ),
        *(("head", bad) for bad in (":a", "a:b:c", "..:a", "a/b:c", "fork:", "fork:a..b", "main")),
        ("title", ""),
        ("title", "one\ntwo"),
        ("title", "x" * 251),
        ("body", "x" * 60_001),
    ],
)
def test_what_names_no_repository_and_no_branch_is_refused(forge, db, field, value):
    good = {"repository": "agency/website", "title": "T", "head": "fork:opening-hours", "base": "main"}
    make_suggestion(PR, suggested_content=good)
    if field == "head" and value == "main":
        good["base"] = "main"
    with pytest.raises(BadInput):
        make_suggestion(PR, suggested_content={**good, field: value})
