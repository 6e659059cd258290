"""Letting a mail go out in a test, without waiting."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from crm.models import User
from suggestions.models import Suggestion, SuggestionExecution
from suggestions.policy.findings import judge
from suggestions.transitions import approve, carry_out, kind_of


def let_go(suggestion: Suggestion, by: User, **kw: Any) -> Suggestion:
    """Approve `suggestion`, with everything that is pointed out confirmed; it waits to be carried out."""
    kind = kind_of(suggestion)
    content = kw.get("content") or suggestion.approved_content or suggestion.suggested_content
    found = judge(kind, kind.check(content), suggestion)
    kw.setdefault("as_of", timezone.now())
    return approve(suggestion, by=by, confirmed=tuple(finding.code for finding in found), **kw)


def carried(suggestion: Suggestion) -> Suggestion:
    """`suggestion` after its order was carried out, as if the time in which it can be taken back were over."""
    execution = suggestion.executions.latest("attempt")
    SuggestionExecution.objects.filter(pk=execution.pk).update(run_after=timezone.now() - timedelta(seconds=1))
    carry_out(execution.pk)
    suggestion.refresh_from_db()
    return suggestion


def sent(suggestion: Suggestion, by: User, **kw: Any) -> Suggestion:
    return carried(let_go(suggestion, by, **kw))
