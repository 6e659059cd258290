"""References in custom fields follow their record through a merge and its undoing; a purge empties them."""

from datetime import date

import pytest

from crm.models import Client, Contact, CustomField, ErasedPerson, Merge
from crm.records.merging.transitions import merge, unmerge
from crm.records.privacy.erasure_rules import ERASED_NAME
from crm.records.privacy.transitions import delete_kept_clients
from crm.records.transitions import purge, set_custom_field, soft_delete
from leads.conversion.transitions import client_from_lead, convert
from leads.models import Lead
from tests.cast import make_client, make_contact, make_lead, make_policy, make_user, page_text

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db):
    return make_user("root", is_superuser=True)


def make_reference(**kw) -> CustomField:
    defaults = {"table": "crm.client", "key": "it's 100%", "label": "Referred by", "kind": "contact"}
    return CustomField.objects.create(**{**defaults, **kw})


def value_of(row):
    return type(row).everything.get(pk=row.pk).custom_fields.get("it's 100%")


def refer(target, maker=make_client, **kw):
    return maker(custom_fields={"it's 100%": str(target.pk), "other": str(target.pk)}, **kw)


def test_references_to_the_loser_follow_to_the_winner_and_return(root):
    make_reference()
    make_reference(table="leads.policy", is_active=False)
    loser, winner = make_contact(), make_contact()
    live, other, retired = refer(loser), refer(winner), refer(loser, make_policy)
    deleted = refer(loser)
    soft_delete(deleted, by=root)
    before = Client.objects.get(pk=live.pk).updated_at
    made = merge(winner, loser, {}, by=root)
    assert {value_of(row) for row in (live, other, retired, deleted)} == {str(winner.pk)}
    live.refresh_from_db()
    assert (live.custom_fields["other"], live.updated_at) == (str(loser.pk), before)  # another key is no reference
    assert unmerge(made, by=root) == []
    assert {value_of(row) for row in (live, retired, deleted)} == {str(loser.pk)}
    assert value_of(other) == str(winner.pk)


def test_keys_in_capitals_follow_and_are_emptied_too(root):
    make_reference()
    loser, winner = make_contact(), make_contact()
    client = make_client(custom_fields={"it's 100%": str(loser.pk).upper()})
    made = merge(winner, loser, {}, by=root)
    assert value_of(client) == str(winner.pk)
    unmerge(made, by=root)
    assert value_of(client) == str(loser.pk)
    Client.objects.filter(pk=client.pk).update(custom_fields={"it's 100%": str(loser.pk).upper()})
    soft_delete(loser, by=root)
    purge(Contact.everything.get(pk=loser.pk), by=root)
    assert value_of(client) is None


def test_a_reference_that_was_changed_after_the_merge_stays(root):
    field = make_reference()
    loser, winner, third = make_contact(), make_contact(), make_contact()
    client = refer(loser)
    made = merge(winner, loser, {}, by=root)
    set_custom_field(client, field, str(third.pk), by=root)
    (left,) = unmerge(made, by=root)
    assert (left["column"], left["ids"]) == ("custom_fields", [str(client.pk)])
    assert value_of(client) == str(third.pk)


def test_a_merge_of_an_earlier_version_is_undone(root):
    loser, winner = make_contact(), make_contact()
    made = merge(winner, loser, {}, by=root)
    del made.moved["custom_fields"]
    made.save()
    assert unmerge(Merge.objects.get(pk=made.pk), by=root) == []


def test_references_between_the_two_records_come_back(root):
    make_reference(kind="client")
    winner, loser = make_client(), make_client()
    for one, target in ((winner, loser), (loser, winner)):
        Client.objects.filter(pk=one.pk).update(custom_fields={"it's 100%": str(target.pk)})
    made = merge(Client.objects.get(pk=winner.pk), Client.objects.get(pk=loser.pk), {}, by=root)
    unmerge(made, by=root)
    assert (value_of(winner), value_of(loser)) == (str(loser.pk), str(winner.pk))


def test_merge_page_names_references_only_to_readers_who_may_open_them(as_max, max, bob):
    make_reference(kind="client")
    target = make_client(name="Known Kim")
    one, two = refer(target), refer(make_client(name="Other Otto"))
    text = page_text(as_max.get(f"/crm/client/{one.pk}/merge/?other={two.pk}"))
    assert "Known Kim" in text and "Other Otto" in text


def test_purge_empties_references_in_the_same_transaction(root):
    make_reference()
    target, other = make_contact(), make_contact()
    live, deleted, kept = refer(target), refer(target), refer(other)
    soft_delete(deleted, by=root)
    soft_delete(target, by=root)
    assert value_of(live) == str(target.pk)  # a deleted record can come back
    purge(Contact.everything.get(pk=target.pk), by=root)
    assert (value_of(live), value_of(deleted), value_of(kept)) == (None, None, str(other.pk))
    assert "Referred by" not in live.custom_fields
    assert live.events.count() == 1  # the history has the old value


def test_a_client_whose_retention_ends_is_no_longer_referred_to(root):
    make_reference(kind="client")
    target = make_client(name=ERASED_NAME)
    client = refer(target)
    ErasedPerson.objects.create(client_id=target.pk, keep_until=date(2020, 1, 1), digests=["x"])
    assert delete_kept_clients(date(2026, 1, 1)) == 1
    assert value_of(client) is None


def test_conversion_copies_a_reference_that_the_user_may_not_open(ann, bob):
    for table in ("leads.lead", "crm.client"):
        make_reference(table=table, kind="client")
    hidden = make_client(assigned_to=bob)
    lead = refer(hidden, make_lead, assigned_to=ann, line="auto")
    convert(lead, client_from_lead(lead), by=ann)
    client = Lead.objects.get(pk=lead.pk).converted_to_client
    assert value_of(client) == str(hidden.pk)
