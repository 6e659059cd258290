"""Tags as a whole: counted as the reader may see, renamed, merged and coloured."""

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from crm.exceptions import InvalidInput, NotPermitted
from crm.models import ActivityLog, Client, Contact, SavedView, Tag
from crm.records.tags import transitions
from crm.records.tags.transitions import colour_tag, rename_in_records, rename_tag
from crm.screens import tags as screen
from inbox.models import WebForm
from leads.models import Lead
from tests.cast import browser, copy_record, make_client, make_contact, make_lead, make_user, page_text
from tests.queued_jobs import queued_jobs

pytestmark = pytest.mark.django_db
PAGE = "/tags/"


@pytest.fixture
def mia(db):
    return make_user("mia", "manager")


def rename(old, new, by):
    """Rename a tag, and do what the job does."""
    rename_tag(old, new, by=by)
    return rename_in_records(old, new, str(by.pk))


def counts(user) -> dict[str, list[str]]:
    """Return the counts that the page shows, by tag."""
    rows = browser(user).get(PAGE).context["rows"]
    return {tag: [str(count) for _, _, count in columns] for tag, columns in rows}


def test_page_counts_what_the_reader_may_see(ann, bob, mia):
    make_lead(tags=["vip"], assigned_to=ann)
    make_lead(tags=["VIP", "secret"], assigned_to=bob)
    make_client(tags=["vip"])
    make_contact(tags=["speaker"])
    make_lead(tags=["free"])
    assert counts(mia) == {
        "free": ["1", "0", "0"],
        "secret": ["1", "0", "0"],
        "speaker": ["0", "0", "1"],
        "VIP": ["2", "1", "0"],
    }
    colour_tag("secret", "red", by=mia)
    assert counts(ann) == {"free": ["1", "0", "0"], "speaker": ["0", "0", "1"], "vip": ["1", "1", "0"]}
    assert "secret" in counts(bob)


def test_page_costs_the_same_for_one_tag_and_for_fifty_and_stops_counting(mia, monkeypatch):
    make_lead(tags=["a"])

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser(mia).get(PAGE)
        return len(captured)

    queries()
    few = queries()
    make_lead(tags=[f"t{n}" for n in range(50)])
    assert queries() == few
    monkeypatch.setattr("crm.records.tags.usage.MAX_COUNT", 1)
    monkeypatch.setattr("crm.screens.tags.MAX_COUNT", 1)
    for _ in range(3):
        make_lead(tags=["a"])
    assert counts(mia)["a"] == ["1+", "0", "0"]


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (["vip", "b"], "vip", "Key account", ["Key account", "b"]),
        (["VIP"], "vip", "gold", ["gold"]),
        (["b", "vip", "Gold"], "vip", "gold", ["b", "gold"]),
        (["Gold", "b", "vip"], "vip", "gold", ["gold", "b"]),
        (["Gold"], "vip", "gold", ["gold"]),
        (["vip"], "vip", "VIP", ["VIP"]),
        (["vips"], "vip", "gold", ["vips"]),
    ],
)
def test_tag_is_renamed_or_merged_in_every_table(mia, before, old, new, after, monkeypatch):
    monkeypatch.setattr(transitions, "RENAME_BATCH_SIZE", 2)
    rows = [make_lead(tags=before), make_client(tags=before), make_contact(tags=before)]
    rows += [make_lead(tags=before) for _ in range(4)]
    deleted = make_lead(tags=before)
    Lead.everything.filter(pk=deleted.pk).update(deleted_at="2026-01-01T00:00Z")
    form = WebForm.objects.create(name="Site", heading="Ask us", tags=before)
    rename(old, new, mia)
    for row in [*rows, deleted, form]:
        assert type(row)._base_manager.get(pk=row.pk).tags == after
    assert rename_in_records(old, new, str(mia.pk)) == 0, "a run after a kill finds nothing more to do"


def test_row_audit_names_who_renamed_a_tag(mia):
    lead = make_lead(tags=["vip"])
    rename("vip", "gold", mia)
    event = lead.events.get()
    assert (event.tags, event.pgh_context.metadata["user"]) == (["vip"], str(mia.pk))
    assert ActivityLog.objects.get(verb="renamed a tag").actor == mia


def test_rename_queues_one_job_and_changes_views_and_colour(mia, ann):
    query = "order=newest&tags=hot,VIP&tags_mode=all&stage=&cf.level~op=from"
    view = SavedView.objects.create(name="V", table="leads.lead", query=query, owner=ann)
    other = SavedView.objects.create(name="W", table="leads.lead", query="tags=vips&q=vip", owner=ann)
    colour_tag("vip", "green", by=mia)
    rename_tag("vip", "hot", by=mia)
    (job,) = queued_jobs("crm.rename_tag")
    assert job.args == {"old": "vip", "new": "hot", "by": str(mia.pk)}
    view.refresh_from_db()
    other.refresh_from_db()
    assert view.query == "order=newest&tags=hot&tags_mode=all&stage=&cf.level~op=from"
    assert other.query == "tags=vips&q=vip"
    assert list(Tag.objects.values_list("name", "colour")) == [("hot", "green")]
    colour_tag("Cold", "blue", by=mia)
    rename_tag("hot", "cold", by=mia)
    assert list(Tag.objects.values_list("name", "colour")) == [("cold", "blue")], "the colour of the other tag stays"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("vip", "a,b", "no comma"),
        ("vip", " ", "1 to 60 characters"),
        ("vip", "x" * 61, "1 to 60 characters"),
        ("vip", "vip", "another name"),
        ("", "vip", "another name"),
    ],
)
def test_name_that_is_no_tag_is_refused(mia, old, new, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        rename_tag(old, new, by=mia)


def test_only_who_may_change_tags_and_sees_all_records_does(ann, mia):
    make_lead(tags=["vip"])
    ann.user_permissions.add(*change_permission())
    for attempt in (lambda: rename_tag("vip", "gold", by=ann), lambda: colour_tag("vip", "red", by=ann)):
        with pytest.raises(NotPermitted, match="of every owner"):
            attempt()
    mia.groups.first().permissions.remove(*change_permission())
    mia = type(mia).objects.get(pk=mia.pk)
    with pytest.raises(NotPermitted, match="may not change tags"):
        rename_tag("vip", "gold", by=mia)
    page = browser(ann)
    assert page.get(f"{PAGE}change/?tag=vip").status_code == 403
    assert "/tags/change/" not in page_text(page.get(PAGE))


def change_permission():
    return Permission.objects.filter(codename="change_tag")


def test_new_name_is_shown_with_what_it_changes_before_it_is_confirmed(mia):
    make_lead(tags=["vip", "gold"])
    make_client(tags=["vip"])
    page, address = browser(mia), f"{PAGE}change/?tag=vip"
    text = page_text(page.post(address, {"name": "gold", "colour": "teal"}))
    assert "Merge “vip” into “gold”?" in text and not queued_jobs("crm.rename_tag")
    assert "Those that have “gold” already get this spelling. A merge cannot be undone." in text
    text = page_text(page.post(address, {"name": "key", "colour": "teal"}))
    assert "Rename “vip” to “key”?" in text and "cannot be undone" not in text
    text = page_text(page.post(address, {"name": "gold", "colour": "teal", "confirmed": "1"}, follow=True))
    assert "“vip” becomes “gold”." in text and "Colour of “gold”: teal." in text
    assert len(queued_jobs("crm.rename_tag")) == 1
    assert "commas separate tags" in page_text(page.post(address, {"name": "a,b", "colour": "teal"}))
    assert page.get(f"{PAGE}change/?tag=").status_code == 302


def test_chips_have_the_colour_and_the_list_asks_for_colours_once(mia):
    colour_tag("VIP", "green", by=mia)
    lead, client = make_lead(tags=["vip", "b", "c", "d"]), make_client(tags=["vip", "<b>"])
    page = browser(mia)
    text = page_text(page.get("/leads/lead/"))
    assert '<span class="tag b-green">vip</span> <span class="tag">b</span>' in text and "+1</span>" in text
    text = page_text(page.get(f"/crm/client/{client.pk}/change/"))
    assert '<a class="tag b-green" href="/crm/client/?tags=vip">vip</a>' in text and "&lt;b&gt;" in text
    assert 'class="tag b-green"' in page_text(page.get(f"/leads/lead/{lead.pk}/change/"))
    make_lead(tags=["vip"])
    with CaptureQueriesContext(connection) as queries:
        page.get("/leads/lead/")
    assert sum('FROM "tags"' in query["sql"] for query in queries) == 1
    assert 'href="/tags/"' in text or 'href="/tags/"' in page_text(page.get("/crm/contact/"))


def test_grey_is_no_colour_and_the_database_refuses_two_spellings(mia):
    colour_tag("vip", "red", by=mia)
    colour_tag("VIP", "grey", by=mia)
    assert not Tag.objects.exists()
    with pytest.raises(InvalidInput, match="is no colour"):
        colour_tag("vip", "pink", by=mia)
    Tag.objects.create(name="vip", colour="red")
    with pytest.raises(IntegrityError), transaction.atomic():
        Tag.objects.create(name="VIP", colour="red")
    with pytest.raises(IntegrityError), transaction.atomic():
        Client.objects.create(name="X", tags=["a", "A"])
    assert not Contact.objects.exists()


def test_merge_of_tags_is_shown_with_exact_counts(mia, monkeypatch):
    monkeypatch.setattr(screen, "MAX_COUNT", 2)
    copy_record(make_client(), 5, lambda number: {"tags": ["vip", "gold"] if number < 4 else ["vip"]})
    counted = {label: (str(count), str(both)) for label, count, both in screen.describe_rename("vip", "gold")["tables"]}
    assert counted["Clients"] == ("5", "4")
    monkeypatch.setattr(screen, "exact_count", lambda rows: None)  # as if it took too long
    counted = {label: (str(count), str(both)) for label, count, both in screen.describe_rename("vip", "gold")["tables"]}
    assert counted["Clients"] == ("2+", "2+")
