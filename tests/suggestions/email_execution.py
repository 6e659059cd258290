"""Sending the email of a suggestion in a test, without waiting."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from crm.models import User
from inbox.models import EmailDelivery
from suggestions.models import Suggestion, SuggestionExecution
from suggestions.policy.findings import find_policy_findings
from suggestions.transitions import approve, get_kind, run_execution


def approve_confirming_all(suggestion: Suggestion, by: User, **kw: Any) -> Suggestion:
    """Approve `suggestion` with all findings confirmed; its execution is queued."""
    kind = get_kind(suggestion)
    content = kw.get("content") or suggestion.approved_content or suggestion.suggested_content
    found = find_policy_findings(kind, kind.parse_content(content), suggestion)
    kw.setdefault("as_of", timezone.now())
    return approve(suggestion, by=by, confirmed=tuple(finding.code for finding in found), **kw)


def run_latest_execution(suggestion: Suggestion) -> Suggestion:
    """Return `suggestion` after its execution, as if its undo window were over."""
    execution = suggestion.executions.latest("attempt")
    due = timezone.now() - timedelta(seconds=1)
    SuggestionExecution.objects.filter(pk=execution.pk).update(run_after=due)
    EmailDelivery.objects.filter(message=execution.message_id).update(run_after=due)
    run_execution(execution.pk)
    suggestion.refresh_from_db()
    return suggestion


def approve_and_send(suggestion: Suggestion, by: User, **kw: Any) -> Suggestion:
    return run_latest_execution(approve_confirming_all(suggestion, by, **kw))
