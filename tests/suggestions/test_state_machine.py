"""After any sequence of transitions, each suggestion has the state of a simple model and ran once."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from leads.models import Task
from suggestions.autonomy.kill_switch import pause_execution, resume_execution
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution, SuggestionType
from suggestions.transitions import approve, propose, reject, restore_rejected, run_execution, snooze, submit, undo
from tests.cast import make_client, make_user
from tests.examples import examples

pytestmark = pytest.mark.django_db

DECIDABLE = {"PENDING", "FAILED"}
GO_AHEAD = {"APPROVED", "MODIFIED"}
pages = st.sampled_from(["Call", "Write", "Visit"])


class Rolled(Exception):
    """Ends the transaction of one example."""


class Suggestions(RuleBasedStateMachine):
    """The machine against a model: a status, and whether the deed is ordered, done or neither, for each row."""

    rows = Bundle("rows")

    def __init__(self):
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.by = make_user("mo", "administrator")
        self.model: dict[str, list[str]] = {}
        self.stopped = False

    def teardown(self):
        self.atomic.__exit__(Rolled, Rolled(), None)

    def attempt(self, allowed, deed, *args, **kwargs):
        """Do `deed`; it must be refused exactly where the model says so."""
        try:
            with transaction.atomic():
                deed(*args, **kwargs)
        except ActionRefused as refusal:
            assert not allowed, f"refused: {refusal}"
            assert str(refusal).endswith(".")
            return False
        assert allowed, f"{deed.__name__} was not refused"
        return True

    def fresh(self, pk):
        return Suggestion.everything.get(pk=pk)

    @rule(target=rows, as_draft=st.booleans(), expires=st.booleans())
    def propose(self, as_draft, expires):
        suggestion = Suggestion(
            type=SuggestionType.TASK,
            client=make_client(),
            suggested_content={"title": "Call"},
            expires_at=timezone.now() + timedelta(days=9) if expires else None,
        )
        propose(suggestion, by=SYSTEM_ACTOR, as_draft=as_draft)
        self.model[suggestion.pk] = ["DRAFT" if as_draft else "PENDING", ""]
        return suggestion.pk

    @rule(pk=rows, title=pages)
    def submit(self, pk, title):
        if self.attempt(self.model[pk][0] == "DRAFT", submit, self.fresh(pk), {"title": title}, by=self.by):
            self.model[pk][0] = "PENDING"

    @rule(pk=rows, title=st.none() | pages)
    def approve(self, pk, title):
        row = self.fresh(pk)
        content = {"title": title} if title else None
        # After an undo, what a person had changed is offered again.
        approved = title or (row.edited_content or row.suggested_content)["title"]
        changed = approved != row.suggested_content["title"]
        if self.attempt(self.model[pk][0] in DECIDABLE, approve, row, content=content, by=self.by):
            self.model[pk] = ["MODIFIED" if changed else "APPROVED", "QUEUED" if self.stopped else "DONE"]

    @rule(pk=rows)
    def reject(self, pk):
        if self.attempt(self.model[pk][0] in {*DECIDABLE, "DRAFT"}, reject, self.fresh(pk), reason="No.", by=self.by):
            self.model[pk] = ["REJECTED", ""]

    @rule(pk=rows)
    def put_back(self, pk):
        if self.attempt(self.model[pk][0] == "REJECTED", restore_rejected, self.fresh(pk), by=self.by):
            self.model[pk][0] = "PENDING"

    @rule(pk=rows)
    def snooze(self, pk):
        until = timezone.now() + timedelta(hours=2)
        self.attempt(self.model[pk][0] == "PENDING", snooze, self.fresh(pk), until, by=self.by)

    @rule(pk=rows)
    def undo(self, pk):
        if self.attempt(self.model[pk][0] in GO_AHEAD, undo, self.fresh(pk), by=self.by):
            self.model[pk] = ["PENDING", ""]

    @rule(pk=rows)
    def work(self, pk):
        """A worker comes by, once more than it has to."""
        for execution in SuggestionExecution.objects.filter(suggestion=pk):
            run_execution(execution.pk)
            run_execution(execution.pk)
        if self.model[pk][1] == "QUEUED" and not self.stopped:
            self.model[pk][1] = "DONE"

    @precondition(lambda self: not self.stopped)
    @rule()
    def stop(self):
        pause_execution(by=self.by)
        self.stopped = True

    @precondition(lambda self: self.stopped)
    @rule()
    def go_on(self):
        waiting = resume_execution(by=self.by)
        self.stopped = False
        assert waiting == sum(state == "QUEUED" for _, state in self.model.values())

    @invariant()
    def it_is_as_the_model_says(self):
        for pk, (status, deed) in self.model.items():
            row = self.fresh(pk)
            assert row.status == status
            live = SuggestionExecution.objects.filter(suggestion=pk, state__in=["QUEUED", "RUNNING", "SUCCEEDED"])
            states = [execution.state for execution in live]
            assert states == {"": [], "QUEUED": [ExecutionState.QUEUED], "DONE": [ExecutionState.SUCCEEDED]}[deed]
            assert Task.objects.filter(client=row.client_id).count() == (deed == "DONE")
            assert (row.executed_at is not None) == (deed == "DONE")
            assert (row.approved_content is not None) == (status in GO_AHEAD)


def test_any_sequence_of_transitions_matches_the_model(db):
    run_state_machine_as_test(
        Suggestions,
        settings=settings(
            max_examples=examples(25),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
