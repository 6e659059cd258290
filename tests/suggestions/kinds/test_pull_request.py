"""A pull request is opened on a real server, once, whatever that server does."""

import logging
import socket

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from suggestions import forge as talking
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, run_execution, settle_unknown_outcome, undo
from tests.cast import browser, make_suggestion, make_user
from tests.http_server import cut_connection, respond_with
from tests.suggestions.kinds.forge import LONG, TOKEN, cut_in_the_middle, drip, running_forge, slow

PR = SuggestionType.PR
FIRST = "https://forge.example.com/agency/website/pulls/1"


@pytest.fixture
def forge(settings, monkeypatch):
    monkeypatch.setattr(talking, "REQUEST_TIMEOUT", {"timeout": 0.5})
    monkeypatch.setattr(talking, "MAX_RESPONSE_SECONDS", 0.5)
    with running_forge(settings, monkeypatch) as running:
        yield running


@pytest.fixture
def dev(db):
    """Somebody who may let pull requests be opened."""
    user = make_user("dev", "agent")
    user.user_permissions.add(Permission.objects.get(codename="open_pull_request"))
    return type(user).objects.get(pk=user.pk)


def approve_and_execute(dev, **kw) -> tuple[Suggestion, SuggestionExecution]:
    """A suggestion that was approved and carried out as far as that goes."""
    suggestion = make_suggestion(PR, **kw)
    approve(suggestion, by=dev)
    return suggestion, execute_again(suggestion)


def execute_again(suggestion: Suggestion) -> SuggestionExecution:
    """What becomes of it when its job runs now."""
    execution = suggestion.executions.latest("attempt")
    SuggestionExecution.objects.filter(pk=execution.pk).update(run_after=execution.created_at)
    run_execution(execution.pk)
    execution.refresh_from_db()
    suggestion.refresh_from_db()
    return execution


def test_pull_request_is_opened_as_approved(forge, dev):
    suggestion, execution = approve_and_execute(dev)
    (pull,) = forge.pulls
    assert (pull["title"], pull["head"], pull["base"]) == ("Correct the opening hours", "opening-hours", "main")
    assert pull["body"].endswith(f"<!-- suggestion {execution.idempotency_key} -->")
    assert (execution.state, execution.external_reference) == (ExecutionState.SUCCEEDED, FIRST)
    assert suggestion.result == {"pull_request": FIRST}
    assert (
        FIRST in browser(dev).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])).content.decode()
    )


def test_second_execution_is_impossible(forge, dev):
    suggestion, execution = approve_and_execute(dev)
    run_execution(execution.pk)
    with pytest.raises(IllegalTransition, match="already approved"):
        approve(suggestion, by=dev)
    assert forge.posts() == 1


def test_undo_is_refused_with_hint_to_close_on_forge(forge, dev):
    suggestion, _ = approve_and_execute(dev)
    with pytest.raises(IllegalTransition, match="close it on the forge"):
        undo(suggestion, by=dev)


def test_undo_before_execution_sends_nothing(forge, dev):
    suggestion = make_suggestion(PR)
    approve(suggestion, by=dev)
    undo(suggestion, by=dev)
    assert execute_again(suggestion).state == ExecutionState.CANCELLED
    assert forge.asked == []


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (respond_with(401, {"message": "Bad credentials"}), "The forge answered 401: Bad credentials."),
        (respond_with(403, {"message": "Forbidden <b>now</b>"}), "The forge answered 403: Forbidden <b>now</b>."),
        (respond_with(404, {"message": "Not Found"}), "The forge answered 404: Not Found."),
        (respond_with(404, b"<html>Not here</html>"), "The forge answered 404 and does not say why."),
        (
            respond_with(
                422, {"message": "Validation Failed", "errors": [{"message": "No commits between main and x"}]}
            ),
            "The forge answered 422: Validation Failed No commits between main and x.",
        ),
        (respond_with(422, {"message": 7, "errors": {"a": 1}}), "The forge answered 422 and does not say why."),
        (
            respond_with(301, b"", Location="http://127.0.0.1:9/elsewhere"),
            "The answer 301 is not that of a forge",
        ),
        (respond_with(200, b"<html>Welcome</html>"), "The answer 200 is not that of a forge"),
    ],
)
def test_forge_error_fails_with_its_message(forge, dev, answer, sentence):
    forge.post = answer
    suggestion, execution = approve_and_execute(dev)
    assert (execution.state, suggestion.status) == (ExecutionState.FAILED, SuggestionStatus.FAILED)
    assert sentence in suggestion.error_message
    assert forge.posts() == 1
    page = browser(dev).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])).content.decode()
    assert "<b>now</b>" not in page


def test_long_forge_error_is_truncated(forge, dev):
    forge.post = respond_with(404, {"message": "no " * 5_000})
    suggestion, _ = approve_and_execute(dev)
    assert len(suggestion.error_message) < 400


@pytest.mark.parametrize(
    "answer", [respond_with(429, {"message": "Slow down"}), respond_with(403, {"message": "Wait"}, Retry_After="60")]
)
def test_rate_limited_request_is_retried(forge, dev, answer):
    forge.post = answer
    suggestion, execution = approve_and_execute(dev)
    assert (execution.state, suggestion.status) == (ExecutionState.QUEUED, SuggestionStatus.APPROVED)
    assert execution.retry_count == 1
    forge.post = None
    assert execute_again(suggestion).state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == 1


@pytest.mark.parametrize(
    "fault", [respond_with(500, {"message": "Oops"}), respond_with(502, b"<html>Bad gateway"), cut_connection, slow]
)
def test_lost_request_is_retried_after_forge_confirms_absence(forge, dev, fault):
    forge.post = fault
    suggestion, execution = approve_and_execute(dev)
    assert execution.state == ExecutionState.QUEUED
    forge.post = None
    assert execute_again(suggestion).state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == 1


@pytest.mark.parametrize(
    "fault",
    [
        respond_with(500, {}),
        respond_with(504, b""),
        cut_connection,
        slow,
        cut_in_the_middle,
        respond_with(201, b"<html>"),
        respond_with(201, b"x" * LONG),
    ],
)
def test_delivered_request_is_found_by_marker_and_not_repeated(forge, dev, fault):
    forge.post_after = fault
    suggestion, execution = approve_and_execute(dev)
    assert (execution.state, execution.external_reference) == (ExecutionState.SUCCEEDED, FIRST)
    assert forge.posts() == 1


def test_unconfirmed_delivery_needs_a_person(forge, dev):
    forge.post_after = lambda handler: (
        setattr(forge, "get", respond_with(500, {"message": "Down"})),
        cut_connection(handler),
    )
    suggestion, execution = approve_and_execute(dev)
    assert (execution.state, suggestion.status) == (ExecutionState.UNKNOWN, SuggestionStatus.FAILED)
    assert "broke off the connection. Asked whether it arrived: The forge answered 500: Down." in execution.error
    forge.get = None
    settle_unknown_outcome(suggestion, happened=False, by=dev)
    # They were mistaken: before anything is sent again, the forge is asked once more.
    assert execute_again(suggestion).state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == forge.posts() == 1


def test_closed_pull_request_is_not_opened_again(forge, dev):
    forge.post_after = lambda handler: (forge.pulls[0].update(state="closed"), cut_connection(handler))
    _, execution = approve_and_execute(dev)
    assert execution.state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == 1


def test_existing_foreign_pull_request_fails(forge, dev):
    theirs = {"title": "Theirs", "head": "opening-hours", "base": "main", "body": None, "state": "open"}
    forge.pulls.append(theirs)
    suggestion, execution = approve_and_execute(dev)
    assert execution.state == ExecutionState.FAILED
    assert "A pull request already exists for agency:opening-hours." in suggestion.error_message


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (respond_with(404, {"message": "Not Found"}), ExecutionState.FAILED),
        (respond_with(200, b"<html>Sign in</html>"), ExecutionState.FAILED),
        (respond_with(200, [{"body": "x" * LONG}]), ExecutionState.FAILED),
        (drip, ExecutionState.FAILED),
        (respond_with(302, b"", Location="/api/repos/agency/website/pulls?elsewhere"), ExecutionState.FAILED),
        (respond_with(503, b""), ExecutionState.QUEUED),
        (cut_connection, ExecutionState.QUEUED),
        (slow, ExecutionState.QUEUED),
    ],
)
def test_failed_precheck_sends_nothing(forge, dev, answer, state):
    forge.get = answer
    _, execution = approve_and_execute(dev)
    assert execution.state == state
    assert [method for method, _ in forge.asked] == ["GET"]


def test_unreachable_forge_is_retried(settings, monkeypatch, dev):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.FORGE_URL, settings.FORGE_TOKEN = f"http://127.0.0.1:{taken.getsockname()[1]}", TOKEN
        _, execution = approve_and_execute(dev)
    assert (execution.state, execution.error) == (ExecutionState.QUEUED, "The forge cannot be reached.")


@pytest.mark.parametrize("arrived", [True, False])
def test_killed_worker_opens_one_pull_request(forge, dev, arrived):
    suggestion = make_suggestion(PR)
    approve(suggestion, by=dev)
    with pytest.MonkeyPatch.context() as patch:
        real = talking.send_request

        def send_request(method, path, **kw):
            if method == "GET" or arrived:
                answer = real(method, path, **kw)
            if method == "POST":
                raise KeyboardInterrupt
            return answer

        patch.setattr(talking, "send_request", send_request)
        with pytest.raises(KeyboardInterrupt):
            execute_again(suggestion)
    assert suggestion.executions.get().state == ExecutionState.RUNNING
    assert execute_again(suggestion).state == ExecutionState.SUCCEEDED
    assert len(forge.pulls) == 1


def test_permission_revoked_before_execution_fails(forge, dev):
    suggestion = make_suggestion(PR)
    approve(suggestion, by=dev)
    dev.user_permissions.clear()
    assert execute_again(suggestion).state == ExecutionState.FAILED
    assert suggestion.error_message == "Dev may not open a pull request any more."
    assert forge.asked == []


def test_approving_needs_pull_request_permission(forge, ann):
    suggestion = make_suggestion(PR)
    with pytest.raises(NotPermitted, match="may not open a pull request"):
        approve(suggestion, by=ann)


@pytest.mark.parametrize("missing", ["FORGE_URL", "FORGE_TOKEN"])
def test_missing_forge_settings_refuse_proposal_and_execution(forge, settings, dev, missing):
    suggestion = make_suggestion(PR)
    approve(suggestion, by=dev)
    setattr(settings, missing, "")
    with pytest.raises(IllegalTransition, match="There is no forge"):
        make_suggestion(PR)
    assert execute_again(suggestion).state == ExecutionState.FAILED
    assert forge.asked == []


def test_token_is_never_stored_or_logged(forge, dev, caplog):
    caplog.set_level(logging.DEBUG)
    forge.post = respond_with(401, {"message": "Bad credentials"})
    suggestion, execution = approve_and_execute(dev)
    kept = f"{suggestion.error_message}{suggestion.result}{execution.error}{caplog.text}"
    assert TOKEN not in kept
    assert "401" in kept


def test_redirect_is_not_followed(forge, dev):
    forge.post = respond_with(307, b"", Location=f"{forge.url}/repos/somebody/else/pulls")
    approve_and_execute(dev)
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
def test_invalid_repository_or_branch_is_refused(forge, db, field, value):
    good = {"repository": "agency/website", "title": "T", "head": "fork:opening-hours", "base": "main"}
    make_suggestion(PR, suggested_content=good)
    if field == "head" and value == "main":
        good["base"] = "main"
    with pytest.raises(InvalidInput):
        make_suggestion(PR, suggested_content={**good, field: value})
