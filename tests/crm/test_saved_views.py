"""Lists that people keep under a name."""

import pytest
from django.contrib.messages import get_messages
from django.utils.http import urlencode

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog, SavedView
from crm.records.transitions import delete_saved_view, save_view
from tests.cast import browser, make_lead

pytestmark = pytest.mark.django_db
KEEP, LEADS = "/crm/savedview/keep/", "/leads/lead/"


def make_view(
    by, name: str = "Mine", query: str = "tags=red", table: str = "leads.lead", shared: bool = False
) -> SavedView:
    return save_view(name=name, table=table, query=query, shared=shared, by=by)


def send(page, url: str = KEEP, **data) -> list[str]:
    """Post to `url`; what the next page says."""
    page.cookies.pop("messages", None)
    answer = page.post(url, {"name": "Mine", "table": "leads.lead", "query": "tags=red", **data})
    assert answer.status_code == 302
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_saving_view_stores_list_query_and_owner(as_ann, ann):
    assert send(as_ann, name="  Reds ") == ["View “Reds” saved."]
    view = SavedView.objects.get()
    assert (view.name, view.owner, view.table) == ("Reds", ann, "leads.lead")
    assert (view.query, view.shared) == ("tags=red", False)


def test_saving_under_same_name_replaces_view(ann, bob):
    first = make_view(ann)
    assert make_view(ann, query="tags=blue").pk == first.pk
    assert make_view(ann, table="crm.client").pk != first.pk
    assert make_view(bob).pk != first.pk
    assert SavedView.objects.get(owner=ann, table="leads.lead").query == "tags=blue"


def test_deleted_view_name_can_be_reused(ann):
    first = make_view(ann)
    delete_saved_view(first, by=ann)
    assert make_view(ann).pk != first.pk


@pytest.mark.parametrize("name", ["", "   ", "\x00", "x" * 81])
def test_invalid_name_is_refused(ann, as_ann, name):
    with pytest.raises(InvalidInput, match="Name: "):
        make_view(ann, name=name)
    assert send(as_ann, name=name)[0].startswith("Name: ")
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("table", "query", "why"),
    [
        ("nothing.at_all", "", "list does not exist"),
        ("", "", "list does not exist"),
        ("\x00", "", "list does not exist"),
        ("leads.lead", "a=" + "x" * 2_000, "at most 2,000 characters"),
        ("leads.lead", "&" * 1_500, "too many filters"),
    ],
)
def test_invalid_list_or_query_is_refused(ann, as_ann, table, query, why):
    with pytest.raises(InvalidInput, match=why):
        make_view(ann, table=table, query=query)
    assert why in send(as_ann, table=table, query=query)[0]
    assert not SavedView.objects.exists()


def test_odd_queries_never_break_the_list(ann, as_ann):
    for number, query in enumerate(["\x00", "%ff=%00", "&&==;", "q=" + "é" * 300, "<script>", "a=1&a=2", "order=x"]):
        make_view(ann, name=f"View {number}", query=query)
    answer = as_ann.get(LEADS)
    assert answer.status_code == 200
    assert "<script>" not in answer.content.decode().split('<div class="crm stack"')[1]


def test_sharing_needs_permission(ann, max, as_ann, as_max):
    with pytest.raises(NotPermitted, match="may not share a view"):
        make_view(ann, shared=True)
    assert send(as_ann, shared="1") == ["Ann may not share a view."]
    assert send(as_max, shared="1") == ["View “Mine” saved."]
    assert list(SavedView.objects.values_list("owner__username", "shared")) == [("max", True)]


def test_view_cannot_be_shared_by_editing_without_permission(ann, max, as_ann, as_max):
    for owner, page, shares in ((ann, as_ann, False), (max, as_max, True)):
        view = make_view(owner)
        answer = page.post(f"/crm/savedview/{view.pk}/change/", {"name": "Better", "shared": "on"})
        assert answer.status_code == 302
        view.refresh_from_db()
        assert (view.name, view.shared) == ("Better", shares)


def test_renaming_to_existing_name_is_refused(ann, as_ann):
    make_view(ann, name="First")
    view = make_view(ann, name="Second")
    answer = as_ann.post(f"/crm/savedview/{view.pk}/change/", {"name": "First"})
    assert "You already have a view with this name." in answer.content.decode()
    view.refresh_from_db()
    assert view.name == "Second"


def test_user_without_role_cannot_save_views(stranger):
    with pytest.raises(NotPermitted, match="may not save a view"):
        make_view(stranger)
    assert send(browser(stranger)) == ["Stranger may not save a view."]
    assert not SavedView.objects.exists()


def test_foreign_view_cannot_be_changed_or_deleted(ann, max, as_ann):
    view = make_view(max, shared=True)
    with pytest.raises(IllegalTransition, match="belongs to another user"):
        delete_saved_view(view, by=ann)
    assert as_ann.post(f"/crm/savedview/{view.pk}/forget/").status_code == 404
    assert as_ann.post(f"/crm/savedview/{view.pk}/change/", {"name": "Taken over"}).status_code == 403
    assert as_ann.post(f"/crm/savedview/{view.pk}/delete/", {"post": "yes"}).status_code == 403
    view.refresh_from_db()
    assert (view.name, view.is_deleted) == ("Mine", False)


def test_deleting_view_removes_it_from_list(ann, as_ann):
    view = make_view(ann)
    assert send(as_ann, f"/crm/savedview/{view.pk}/forget/") == ["View “Mine” deleted."]
    assert as_ann.get(LEADS).context["cl"].views == []
    assert as_ann.post(f"/crm/savedview/{view.pk}/forget/").status_code == 404
    with pytest.raises(IllegalTransition):
        delete_saved_view(view, by=ann)


def test_saving_and_deleting_need_post(as_ann, ann):
    view = make_view(ann)
    assert as_ann.get(KEEP).status_code == 405
    assert as_ann.get(f"/crm/savedview/{view.pk}/forget/").status_code == 405


def test_list_offers_own_and_shared_views(ann, bob, max, as_ann):
    make_view(ann, name="Own")
    make_view(bob, name="Bobs own")
    make_view(max, name="Shared", shared=True)
    make_view(ann, name="Clients", table="crm.client")
    assert [view.name for view in as_ann.get(LEADS).context["cl"].views] == ["Own", "Shared"]
    assert [view.name for view in as_ann.get("/crm/client/").context["cl"].views] == ["Clients"]


def test_open_view_filters_list_and_is_marked_current(as_max, max):
    for name, tags in (("Red", ["red"]), ("Both", ["red", "blue"]), ("None", [])):
        make_lead(contact_name=name, tags=tags, custom_fields={"a b": 1 if tags else 2})
    asked = {"tags": "red,blue", "tags_mode": "all", "cf.a b": "1", "order": "value", "after": "", "foo": "bar"}
    first = as_max.get(LEADS, asked).context["cl"]
    view = make_view(max, query=first.query_to_save())
    assert f"?{view.query}".replace("&", "&amp;") in as_max.get(LEADS).content.decode()
    again = as_max.get(f"{LEADS}?{view.query}").context["cl"]
    assert [row.contact_name for row in again.page.rows] == ["Both"]
    assert (again.order_name, again.current_view()) == ("value", view)
    assert as_max.get(f"{LEADS}?{view.query}&tier=hot").context["cl"].current_view() is None
    assert as_max.get(LEADS).context["cl"].current_view() is None


def test_shared_view_respects_visibility(ann, bob, max, as_ann):
    make_lead(contact_name="Bobs", assigned_to=bob)
    make_lead(contact_name="Anns", assigned_to=ann)
    view = make_view(max, shared=True, query=urlencode({"state": "all", "owner": str(bob.pk), "deleted": "false"}))
    assert as_ann.get(f"{LEADS}?{view.query}").context["cl"].page.rows == []


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "///evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil.example",
        "http:/\\evil.example",
        "",
        "\x00//evil.example",
        "/" + "x" * 3_000,
    ],
)
def test_external_next_url_is_rejected(as_ann, ann, address):
    view, lead = make_view(ann), make_lead()
    ways = [
        (KEEP, {"name": "x", "table": "leads.lead", "query": ""}, "/"),
        (f"/leads/lead/{lead.pk}/do/note/", {"body": "x"}, f"/leads/lead/{lead.pk}/change/"),
        (f"/crm/savedview/{view.pk}/forget/", {}, "/"),
    ]
    for url, data, otherwise in ways:
        answer = as_ann.post(url, {**data, "next": address})
        assert (answer.status_code, answer["Location"]) == (302, otherwise), url


def test_internal_next_url_is_followed(as_ann):
    back = "/leads/lead/?tags=a%20b&q=%C3%A9"
    answer = as_ann.post(KEEP, {"name": "x", "table": "leads.lead", "query": "", "next": back})
    assert answer["Location"] == back


def test_saving_view_logs_no_activity(ann):
    make_view(ann)
    assert not ActivityLog.objects.exists()
