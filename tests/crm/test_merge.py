"""Merging two records, and undoing it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pghistory.models
import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog, Merge
from crm.records.activity import SYSTEM_ACTOR
from crm.records.merging.row_changes import without_change
from crm.records.merging.rules import differences
from crm.records.merging.transitions import kept_changes, merge, unmerge
from crm.records.tags.transitions import add_tag
from crm.records.transitions import add_note, restore
from inbox.models import Direction, Message
from inbox.transitions import add_to_thread
from leads.models import ContactLead, Lead, Task
from leads.transitions import add_signals
from tests.cast import make_client, make_contact, make_lead, make_suggestion, make_thread, make_ticket, make_user

pytestmark = pytest.mark.django_db
# What a merge and its undo add: history, and work for the agents.
GROWING = {"merges", "activity_logs", "tier_changes", "pghistory_context"}


def table_rows() -> dict[str, dict[str, str]]:
    """Return every row of every table of the apps, except the row audit and the queue, as JSON text by key."""
    rows = {}
    with connection.cursor() as cursor:
        existing = set(connection.introspection.table_names(cursor))
        for model in apps.get_models(include_auto_created=True):
            table, key = model._meta.db_table, model._meta.pk.column
            is_audit = issubclass(model, pghistory.models.Event) or table.startswith("procrastinate")
            if not is_audit and table in existing:
                cursor.execute(f'SELECT to_jsonb(one) ->> %s, to_jsonb(one)::text FROM "{table}" AS one', [key])
                rows[table] = dict(cursor.fetchall())
    return rows


def assert_restored(before: dict[str, dict[str, str]]) -> None:
    after = table_rows()
    for table, rows in before.items():
        now = after[table]
        if table in GROWING:
            now = {key: value for key, value in now.items() if key in rows}
        assert now == rows, table


def make_full_lead(**kw) -> Lead:
    """Create a lead with a row in every table that refers to leads."""
    lead = make_lead(**kw)
    thread = make_thread(lead=lead)
    sent_at = timezone.now() - timedelta(days=1)
    add_to_thread(
        Message(thread=thread, direction=Direction.IN, from_email=lead.contact_email, body_text="Hi", sent_at=sent_at)
    )
    make_ticket(lead=lead, client=None)
    make_suggestion(lead=lead)
    Task.objects.create(title="Call", lead=lead)
    ContactLead.objects.create(lead=lead, contact=make_contact(), is_primary=True)
    add_note(lead, "A note", by=SYSTEM_ACTOR)
    lead.refresh_from_db()
    return lead


def test_merge_takes_chosen_values_and_fills_blanks(max):
    winner = make_lead(contact_phone="", notes="One", tags=["a"], custom_fields={"size": 1, "color": "red"})
    loser = make_lead(
        contact_phone="555 0100", notes="Two", tags=["A", "b"], custom_fields={"size": 2, "color": "blue", "new": 3}
    )
    assert {one.name for one in differences(winner, loser)} == {
        "contact_name",
        "contact_email",
        "notes",
        "custom_fields/size",
        "custom_fields/color",
    }
    choices = {"contact_email": "loser", "notes": "both", "custom_fields/size": "loser"}
    merge(winner, loser, choices, by=max)
    name, email = winner.contact_name, loser.contact_email
    winner.refresh_from_db()
    assert (winner.contact_name, winner.contact_email, winner.contact_phone) == (name, email, "555 0100")
    assert winner.notes == "One\n\nTwo"
    assert winner.tags == ["a", "b"]
    assert winner.custom_fields == {"size": 2, "color": "red", "new": 3}


def test_everything_of_the_loser_moves_to_the_winner(max):
    winner, loser = make_lead(), make_full_lead()
    merge(winner, loser, {}, by=max)
    loser.refresh_from_db()
    assert loser.is_deleted
    assert loser.merged_into == winner
    for related in ("threads", "suggestions", "tasks", "contact_links"):
        assert getattr(winner, related).count() == 1, related
    winner.refresh_from_db()
    assert winner.last_contact_at == winner.threads.get().last_message_at
    assert ActivityLog.objects.on_timeline_of(winner).filter(verb="noted").exists()


@pytest.mark.parametrize("make", [make_full_lead, make_client, make_contact])
def test_merge_and_unmerge_leave_every_row_as_it_was(max, make):
    winner, loser = make(), make()
    before = table_rows()
    assert unmerge(merge(winner, loser, {}, by=max), by=max) == []
    assert_restored(before)


def test_unmerge_of_a_lead_with_chosen_values_is_exact(max):
    winner = make_full_lead(custom_fields={"a": 1}, tags=["x"], communications={"doNotCall": True})
    loser = make_full_lead(custom_fields={"a": 2, "b": 3}, tags=["y"], communications={"preferredChannel": "email"})
    before = table_rows()
    choices = {"contact_email": "loser", "contact_name": "loser", "custom_fields/a": "loser"}
    unmerge(merge(winner, loser, choices, by=max), by=max)
    assert_restored(before)


def test_changes_after_the_merge_stay_with_the_winner(max):
    winner, loser = make_lead(tags=["a"]), make_lead(tags=["b"])
    done = merge(winner, loser, {"contact_name": "loser"}, by=max)
    winner.refresh_from_db()
    add_tag(winner, "later", by=max)
    Lead.objects.filter(pk=winner.pk).update(contact_phone="555 0199")
    task = Task.objects.create(title="New", lead=winner)
    assert {field.name for field in kept_changes(done, winner)} == {"tags", "contact_phone"}
    unmerge(done, by=max)
    name = winner.contact_name
    for row in (winner, loser, task):
        row.refresh_from_db()
    assert (winner.tags, loser.tags) == (["a", "later"], ["b"])
    assert winner.contact_phone == "555 0199"
    assert winner.contact_name != name == loser.contact_name
    assert task.lead == winner


def test_a_message_after_the_merge_counts_for_the_lead_of_its_thread(max):
    winner, loser = make_lead(), make_full_lead()
    done = merge(winner, loser, {}, by=max)
    thread, sent_at = winner.threads.get(), timezone.now()
    add_to_thread(
        Message(thread=thread, direction=Direction.IN, from_email=loser.contact_email, body_text="So?", sent_at=sent_at)
    )
    unmerge(done, by=max)
    winner.refresh_from_db()
    loser.refresh_from_db()
    assert winner.last_contact_at is None
    assert loser.last_contact_at == sent_at


def test_signals_of_both_count_in_the_score(max):
    winner, loser = make_lead(), make_lead()
    moment = timezone.now().isoformat()
    add_signals(loser, [{"type": "budget_mentioned", "weight": 0.25, "timestamp": moment}], by=max)
    was = winner.overall_score or 0
    merge(winner, loser, {}, by=max)
    winner.refresh_from_db()
    assert winner.overall_score > was


def test_a_record_is_not_merged_with_itself_or_with_another_table(max):
    lead = make_lead()
    with pytest.raises(InvalidInput, match="with itself"):
        merge(lead, lead, {}, by=max)
    with pytest.raises(InvalidInput):
        merge(lead, make_client(), {}, by=max)
    with pytest.raises(InvalidInput, match="cannot be merged"):
        merge(Task.objects.create(title="a", lead=lead), Task.objects.create(title="b", lead=lead), {}, by=max)


def test_merges_in_a_ring_are_refused(max):
    one, two = make_lead(), make_lead()
    merge(one, two, {}, by=max)
    with pytest.raises(IllegalTransition, match="already merged into"):
        merge(two, one, {}, by=max)
    with pytest.raises(IllegalTransition, match="already merged into"):
        merge(one, two, {}, by=max)


def test_three_merged_records_are_restored_in_reverse_order(max):
    one, two, three = make_full_lead(), make_full_lead(), make_full_lead()
    before = table_rows()
    first, second = merge(one, two, {}, by=max), merge(one, three, {}, by=max)
    with pytest.raises(IllegalTransition, match="merged later"):
        unmerge(first, by=max)
    unmerge(second, by=max)
    unmerge(first, by=max)
    assert_restored(before)


def test_a_winner_that_was_merged_itself_is_restored_first(max):
    one, two, three = make_lead(), make_lead(), make_lead()
    first, second = merge(two, three, {}, by=max), merge(one, two, {}, by=max)
    with pytest.raises(IllegalTransition, match="was itself merged"):
        unmerge(first, by=max)
    unmerge(second, by=max)
    unmerge(first, by=max)
    assert Lead.objects.filter(pk__in=[one.pk, two.pk, three.pk]).count() == 3


def test_a_merge_is_undone_once(max):
    done = merge(make_client(), make_client(), {}, by=max)
    unmerge(done, by=max)
    with pytest.raises(IllegalTransition, match="already been undone"):
        unmerge(done, by=max)


def test_a_merged_record_is_not_restored_from_the_bin_alone(max):
    winner, loser = make_lead(), make_lead()
    merge(winner, loser, {}, by=max)
    loser.refresh_from_db()
    with pytest.raises(InvalidInput, match="Undo the merge"):
        restore(loser, by=max)


def test_a_converted_lead_is_not_merged_away(max):
    winner, loser = make_lead(), make_lead(status_id="CLOSED_WON")
    Lead.objects.filter(pk=loser.pk).update(converted_at=timezone.now(), converted_to_client=make_client())
    with pytest.raises(IllegalTransition, match="was converted to a client"):
        merge(winner, loser, {}, by=max)


def test_merging_needs_its_permission(ann):
    with pytest.raises(NotPermitted):
        merge(make_lead(), make_lead(), {}, by=ann)
    assert not Merge.objects.exists()


def test_a_lead_of_a_colleague_out_of_sight_is_not_merged(ann, bob):
    ann.user_permissions.add(Permission.objects.get(codename="merge_lead"))
    with pytest.raises(IllegalTransition, match="do not have access"):
        merge(make_lead(assigned_to=ann), make_lead(assigned_to=bob), {}, by=ann)


def test_an_unknown_choice_is_refused(max):
    with pytest.raises(InvalidInput, match="Compare them again"):
        merge(make_client(), make_client(), {"email": "loser"}, by=max)


@pytest.mark.parametrize(
    ("before", "after", "current", "result"),
    [
        (1, 2, 2, 1),
        (1, 2, 3, 3),
        (["a"], ["a", "b"], ["a", "b", "c"], ["a", "c"]),
        (["a"], ["a", "b"], ["b", "c"], ["c"]),
        ({"a": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 1, "c": 5}, {"a": 1, "c": 5}),
        ({"a": 1}, {"a": 2, "b": 1}, {"a": 7, "b": 1}, {"a": 7}),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 2, "z": 3}}, {"a": {"x": 1, "z": 3}}),
    ],
)
def test_a_change_is_taken_back_and_later_ones_stay(before, after, current, result):
    assert without_change(before, after, current) == result


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_merge_at_once_one_wins():
    max = make_user("max", "manager")
    one, two = make_lead(), make_lead()

    def attempt(pair: tuple[Lead, Lead]) -> str:
        try:
            merge(*pair, {}, by=max)
            return "merged"
        except IllegalTransition as error:
            return str(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(attempt, [(one, two), (two, one)]))
    assert outcomes.count("merged") == 1
    assert any("already merged into" in outcome for outcome in outcomes)
    assert Lead.objects.filter(pk__in=[one.pk, two.pk]).count() == 1
