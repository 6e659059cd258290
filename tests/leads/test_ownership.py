"""Tests of the owner column of threads and suggestions, which follows the lead, else the client."""

import pytest

from crm.records.transitions import assign
from inbox.models import Thread
from inbox.transitions import link, unlink
from leads.ownership import repair_owner_column
from suggestions.models import Suggestion
from tests.cast import make_client, make_lead, make_suggestion, make_thread


def owners(thread, suggestion):
    return Thread.objects.get(pk=thread.pk).owner, Suggestion.objects.get(pk=suggestion.pk).owner


@pytest.mark.parametrize("maker", [make_lead, make_client])
def test_owner_follows_the_lead_or_client(ann, bob, max, maker):
    record = maker(assigned_to=ann)
    field = "lead" if maker is make_lead else "client"
    thread, suggestion = make_thread(**{field: record}), make_suggestion(**{field: record})
    assert owners(thread, suggestion) == (ann, ann)
    assign(record, bob, by=max)
    assert owners(thread, suggestion) == (bob, bob)
    assign(record, None, by=max)
    assert owners(thread, suggestion) == (None, None)


def test_lead_owner_precedes_client_owner(ann, bob, max):
    lead, client = make_lead(), make_client(assigned_to=bob)
    thread = make_thread(lead=lead, client=client)
    assert Thread.objects.get(pk=thread.pk).owner == bob
    assign(lead, ann, by=ann)
    assert Thread.objects.get(pk=thread.pk).owner == ann
    assign(client, None, by=max)
    assert Thread.objects.get(pk=thread.pk).owner == ann


def test_linked_thread_belongs_to_lead_owner(ann, bob):
    thread = make_thread()
    link(thread, lead=make_lead(assigned_to=ann), by=ann)
    assert Thread.objects.get(pk=thread.pk).owner == ann
    assert thread in Thread.objects.visible_to(ann)
    assert thread not in Thread.objects.visible_to(bob)
    unlink(thread, by=ann)
    assert Thread.objects.get(pk=thread.pk).owner is None
    assert thread in Thread.objects.visible_to(bob)


def test_repair_restores_owners(ann, bob):
    right, wrong = make_thread(lead=make_lead(assigned_to=ann)), make_thread(lead=make_lead(assigned_to=ann))
    Thread.objects.filter(pk=wrong.pk).update(owner=bob)
    assert repair_owner_column("threads") == 1
    assert {Thread.objects.get(pk=row.pk).owner for row in (right, wrong)} == {ann}
    assert repair_owner_column("suggestions") == 0
