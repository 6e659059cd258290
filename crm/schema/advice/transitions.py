"""State changes of the advice: what a trial measured."""

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import FieldStatistic, User
from crm.records.activity import Actor, record
from crm.schema.advice.figures import load_advice
from crm.schema.advice.rules import Decision
from crm.schema.advice.trials import TIMEOUT_SECONDS, run_trial
from crm.schema.usage.transitions import MEASURE_PERMISSION
from crm.screens.paging import QueryTooSlow


@transaction.atomic
def measure(row: FieldStatistic, *, by: Actor | User) -> Decision:
    """Try what is advised for a key on a sample, and keep what it costs and gains.

    Raises:
        NotPermitted: `by` may not measure.
        IllegalTransition: the key is to stay as it is, or the trial takes too long.
    """
    Actor.of(by).require_permission(MEASURE_PERMISSION, "measure a trial index")
    (advised,) = load_advice([row])
    decision = advised.advice.decision
    if decision == Decision.STAY:
        raise IllegalTransition(f"“{row}” should stay as it is, so there is nothing to try.")
    try:
        row.trial = run_trial(row, advised.figures, decision)
    except QueryTooSlow as error:
        raise IllegalTransition(
            f"A step of the trial took longer than {TIMEOUT_SECONDS} seconds, so it was stopped. Nothing has changed."
        ) from error
    row.tried_at = timezone.now()
    row.save(update_fields=["trial", "tried_at", "updated_at"])
    record(row, "measured", by=by, summary=f"Measured the advice “{decision.label}” for “{row}”")
    return decision
