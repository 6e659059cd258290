"""The pages that merge two records and undo it."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from crm.models import Merge
from crm.records.merging.transitions import merge
from leads.conversion.transitions import convert
from leads.models import Lead, Task
from tests.cast import browser, make_client, make_contact, make_lead, make_user, page_text

pytestmark = pytest.mark.django_db


def page(row, name: str) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=[row.pk])


def test_the_pages_merge_two_leads_and_undo_it(as_max):
    winner, loser = make_lead(contact_name="Mary Moor"), make_lead(contact_name="Mary Moore")
    Task.objects.create(title="Call", lead=loser)
    candidates = page_text(as_max.get(page(winner, "merge") + "?q=Mary"))
    assert f"?other={loser.pk}" in candidates
    comparison = page_text(as_max.get(page(winner, "merge") + f"?other={loser.pk}"))
    assert "Mary Moore" in comparison
    assert "1 task" in comparison
    data = {"other": loser.pk, "choice:contact_name": "loser", "choice:contact_email": "winner"}
    answer = as_max.post(page(winner, "merge"), data, follow=True)
    assert "Lead “Mary Moore” merged into Mary Moor" in page_text(answer)
    winner.refresh_from_db()
    assert winner.contact_name == "Mary Moore"
    Lead.objects.filter(pk=winner.pk).update(contact_phone="555 0100")
    confirmation = page_text(as_max.get(page(winner, "unmerge")))
    assert "<li>Phone</li>" in confirmation
    as_max.post(page(winner, "unmerge"))
    winner.refresh_from_db()
    assert (winner.contact_name, winner.contact_phone) == ("Mary Moor", "555 0100")
    assert Lead.objects.filter(pk=loser.pk).exists()


def test_both_records_are_shown_field_by_field(as_max):
    winner = make_lead(contact_name="Mary Moor", contact_phone="555 0100", tags=["hot"], notes="Old car.")
    loser = make_lead(contact_name="Mary Moore", company_name="Moor Ltd", notes="New car.", auto_data={"year": 2020})
    text = page_text(as_max.get(page(winner, "merge") + f"?other={loser.pk}"))
    for value in ("Mary Moor", "Mary Moore", "555 0100", "Moor Ltd", "hot", "Old car.", "New car.", "2020"):
        assert value in text
    # What differs is chosen; what only one of them has is taken.
    assert text.count('name="choice:contact_name"') == 2
    assert text.count('name="choice:notes"') == 3
    assert 'name="choice:company_name"' not in text


def test_merge_of_a_converted_lead_into_another_is_refused_before_anything_is_chosen(as_max, max):
    winner, loser = make_lead(), make_lead(contact_name="Conny Verted")
    convert(loser, make_client(name="Conny Verted"), by=max)
    answer = as_max.get(page(winner, "merge") + f"?other={loser.pk}")
    assert "was converted to a client. Keep that lead" in page_text(answer)
    assert '<button class="btn primary">Merge</button>' not in page_text(answer)
    swapped = page_text(as_max.get(page(loser, "merge") + f"?other={winner.pk}"))
    assert '<button class="btn primary">Merge</button>' in swapped


def test_page_lists_the_records_that_may_be_the_same(as_max):
    winner = make_lead(contact_name="Mary Moor", contact_phone="(415) 555-0132")
    same = make_lead(contact_name="M. Moor-Lee", contact_phone="+1 415 555 0132")
    make_lead(contact_name="Mary Other")
    text = page_text(as_max.get(page(winner, "merge")))
    assert "Same phone number" in text
    assert f"?other={same.pk}" in text
    assert "Mary Other" not in text


@pytest.mark.parametrize("make", [make_lead, make_client, make_contact])
def test_the_address_of_a_merged_record_leads_to_the_winner(max, as_ann, make):
    one, two, three = make(), make(), make()
    merge(two, three, {}, by=max)
    merge(one, two, {}, by=max)
    answer = as_ann.get(page(three, "change"))
    assert (answer.status_code, answer["Location"]) == (302, page(one, "change"))


def test_a_merged_record_leads_to_no_winner_out_of_sight(max, bob, as_ann):
    winner, loser = make_lead(assigned_to=bob), make_lead()
    merge(winner, loser, {}, by=max)
    assert as_ann.get(page(loser, "change")).status_code == 404


def test_undoing_a_merge_does_not_name_a_merged_record_out_of_sight(max, bob, ann, as_ann):
    ann.user_permissions.add(*permissions("merge_lead"))
    winner, loser = make_lead(assigned_to=ann), make_lead(assigned_to=bob, contact_name="Mary Moore")
    merge(winner, loser, {}, by=max)
    confirmation = page_text(as_ann.get(page(winner, "unmerge")))
    assert "Another owner’s lead" in confirmation and "Mary Moore" not in confirmation
    assert "Mary Moore" in page_text(browser(max).get(page(winner, "unmerge")))


def test_the_pages_need_the_permission_to_merge(as_ann):
    lead = make_lead()
    assert as_ann.get(page(lead, "merge")).status_code == 403
    assert as_ann.post(page(lead, "unmerge")).status_code == 403
    assert page(lead, "merge") not in page_text(as_ann.get(page(lead, "change")))


def test_a_record_out_of_sight_cannot_be_compared(bob):
    ann = make_user("ann", "agent")
    ann.user_permissions.add(*permissions("merge_lead"))
    mine, theirs = make_lead(assigned_to=ann), make_lead(assigned_to=bob, contact_phone="555 0142")
    answer = page_text(browser(ann).get(page(mine, "merge") + f"?other={theirs.pk}"))
    assert "555 0142" not in answer
    browser(ann).post(page(mine, "merge"), {"other": theirs.pk})
    assert not Merge.objects.exists()


def test_a_refused_choice_is_explained(as_max):
    winner, loser = make_client(), make_client()
    answer = as_max.post(page(winner, "merge"), {"other": loser.pk, "choice:phone": "loser"})
    assert answer.status_code == 422
    assert "Compare them again" in page_text(answer)


def permissions(*names: str):
    return Permission.objects.filter(codename__in=names)
