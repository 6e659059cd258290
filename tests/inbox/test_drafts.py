"""Drafts are saved as typed, private to their author, and never overwritten silently."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from inbox.drafts import transitions
from inbox.drafts.transitions import DraftContent, DraftDestination
from inbox.incoming.merging import merge_threads
from inbox.models import Draft, Message, Thread
from inbox.tasks import purge_old_drafts
from tests.cast import browser, copy_lead, copy_record, make_lead, make_thread
from tests.inbox.draft_fixtures import (
    DRAFT_ADD_URL,
    add_incoming_email,
    composer_form,
    make_draft,
    send_draft,
    submit_composer,
)

pytestmark = pytest.mark.django_db
WORDS = DraftContent(to="lee@example.com", subject="Re: Question", body="It is 100 a month.")


@pytest.fixture
def thread(ann):
    thread = make_thread(lead=make_lead(contact_email="lee@example.com", assigned_to=ann), subject="Question")
    add_incoming_email(thread)
    return thread


def page_of(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


def autosave(page, form, **kw):
    """Send what the autosave script sends while a person types."""
    return page.post(DRAFT_ADD_URL, {**form, **kw, "do": "save"}, headers={"X-Fragment": "1"})


def test_draft_is_saved_while_typing_and_restored(as_ann, thread):
    form = composer_form(as_ann, page_of(thread))
    answer = autosave(as_ann, form, body="It is\r\n100").json()
    assert (
        answer["version"] == 1 and answer["saved"].startswith("Saved ") and answer["url"] == f"{page_of(thread)}#reply"
    )
    answer = autosave(as_ann, form, body="It is\r\n100 a month.", version="1").json()
    assert answer["version"] == 2
    form = composer_form(as_ann, page_of(thread))
    assert (form["body"], form["version"], form["quotes"]) == ("It is\r\n100 a month.", "2", "on")
    assert Draft.objects.get().body == "It is\n100 a month."
    assert "Draft, saved" in as_ann.get(page_of(thread)).content.decode()


def test_saving_unchanged_draft_keeps_version(as_ann, thread):
    form = composer_form(as_ann, page_of(thread))
    for _ in range(2):
        assert autosave(as_ann, form, body="Hello").json()["version"] == 1


def test_second_tab_conflict_is_reported_and_keeps_typed_text(as_ann, thread):
    form = composer_form(as_ann, page_of(thread))
    autosave(as_ann, form, body="In the first tab")
    answer = autosave(as_ann, form, body="In the second tab")
    assert answer.status_code == 422
    assert "You changed this draft elsewhere" in answer.json()["refused"]
    answer = submit_composer(as_ann, {**form, "body": "In the second tab"}, "send")
    page = answer.content.decode()
    assert (
        answer.status_code == 422 and "changed this draft elsewhere" in page and "In the second tab</textarea>" in page
    )
    assert Draft.objects.get().body == "In the first tab" and not Message.objects.filter(direction="out").exists()


def test_two_empty_tabs_create_one_draft(as_ann, thread):
    first, second = composer_form(as_ann, page_of(thread)), composer_form(as_ann, page_of(thread))
    assert first["key"] != second["key"]
    autosave(as_ann, first, body="In the first tab")
    assert "changed this draft elsewhere" in autosave(as_ann, second, body="In the second tab").json()["refused"]
    assert Draft.objects.get().body == "In the first tab"


@pytest.mark.django_db(transaction=True)
def test_concurrent_sends_from_empty_composer_create_one_email(ann, thread):
    """Like a double click: both requests create the draft, and both send it."""
    for _ in range(5):
        key, start, found = uuid7(), threading.Barrier(2), []

        def send(key=key, start=start, found=found):
            start.wait()
            try:
                try:
                    draft = transitions.save(key, 0, WORDS, DraftDestination(thread=thread), by=ann)
                    found.append(transitions.send(draft, by=ann).pk)
                except IllegalTransition:
                    found.append(transitions.find_sent_message(key, by=ann).pk)
            finally:
                connections.close_all()

        both = [threading.Thread(target=send) for _ in range(2)]
        [one.start() for one in both]
        [one.join() for one in both]
        assert len(found) == 2 and len(set(found)) == 1
    assert Message.objects.filter(direction="out").count() == 5


def test_draft_is_private_to_its_author(as_ann, ann, max, thread):
    draft = make_draft(ann, thread, body="Between us")
    for url in (page_of(thread), "/inbox/draft/", "/inbox/thread/"):
        assert "Between us" not in browser(max).get(url).content.decode()
    for url in (f"/inbox/draft/{draft.pk}/change/", f"/inbox/draft/{draft.pk}/do/discard/"):
        assert browser(max).get(url).status_code == 404
    form = {"key": str(draft.pk), "version": "1", "to": "x@example.com", "subject": "a", "body": "b"}
    for act in ("save", "send", "discard", "attach"):
        answer = submit_composer(browser(max), form, act)
        assert answer.status_code == 422 and "belongs to another user" in answer.content.decode()
    for deed in (transitions.discard, transitions.send):
        with pytest.raises(NotPermitted):
            deed(draft, by=max)
    draft.refresh_from_db()
    assert (draft.body, draft.version, draft.is_deleted) == ("Between us", 1, False)


def test_drafts_are_listed_and_counted_for_their_author(as_ann, ann, thread):
    assert "Drafts" not in as_ann.get("/inbox/thread/").content.decode()
    make_draft(ann, thread)
    make_draft(ann, lead=thread.lead, subject="Another")
    assert "Drafts 2" in as_ann.get("/inbox/thread/").content.decode()
    page = as_ann.get("/inbox/draft/").content.decode()
    assert "Another" in page and "Reply in “Question”" in page
    assert "Re: Question" not in as_ann.get("/inbox/draft/?q=Another").content.decode()


def test_discarded_draft_cannot_be_sent(as_ann, ann, thread):
    draft = make_draft(ann, thread)
    answer = submit_composer(as_ann, composer_form(as_ann, page_of(thread)), "discard")
    assert answer["Location"] == page_of(thread)
    assert not Draft.objects.exists()
    assert composer_form(as_ann, page_of(thread))["body"] == ""
    answer = submit_composer(as_ann, {"key": str(draft.pk), "version": "1", "body": "Once more"}, "send")
    assert "no longer exists" in answer.content.decode() and not Draft.objects.exists()


def test_bulk_discard_drafts(as_ann, ann):
    rows = [make_draft(ann, subject=f"Draft {number}") for number in range(3)]
    sent = {"action": "discard", "_selected_action": [str(row.pk) for row in rows[:2]], "apply": "1", "index": "0"}
    as_ann.post("/inbox/draft/", sent)
    assert list(Draft.objects.all()) == rows[2:]


def test_reply_draft_link_opens_its_thread(as_ann, ann, thread):
    draft = make_draft(ann, thread)
    assert as_ann.get(f"/inbox/draft/{draft.pk}/change/")["Location"] == f"{page_of(thread)}#reply"


def test_draft_survives_deletion_of_its_thread(as_ann, ann, thread):
    draft = make_draft(ann, thread)
    Thread.objects.filter(pk=thread.pk).update(deleted_at=timezone.now())
    form = composer_form(as_ann, f"/inbox/draft/{draft.pk}/change/")
    assert form["body"] == "It is 100 a month."
    with pytest.raises(IllegalTransition, match="is deleted"):
        transitions.send(draft, by=ann)


def test_drafts_follow_merged_threads(ann, max, thread):
    others = [make_thread(subject=name) for name in "abc"]
    mine = [make_draft(ann, one, body=one.subject) for one in others[:2]]
    theirs = make_draft(max, others[2])
    merge_threads([(thread, other) for other in others], reason="a test says so")
    assert Draft.objects.get(pk=theirs.pk).thread == thread
    assert [Draft.objects.get(pk=one.pk).thread for one in mine] == [thread, None]
    later = make_thread()
    make_draft(max, later)
    merge_threads([(thread, later)], reason="a test says so")
    assert Draft.objects.filter(author=max, thread=thread).get() == theirs


def test_database_allows_one_draft_per_author_and_thread(ann, bob, thread):
    make_draft(ann, thread)
    with pytest.raises(IntegrityError, match="drafts_once_in_thread"), transaction.atomic():
        Draft.objects.create(author=ann, thread=thread)
    with pytest.raises(IntegrityError, match="drafts_one_place"), transaction.atomic():
        Draft.objects.create(author=bob, thread=thread, lead=thread.lead)
    with pytest.raises(ValidationError, match="cannot have a lead or client of its own"):
        Draft(author=bob, thread=thread, lead=thread.lead).full_clean()


@pytest.mark.parametrize(
    "words",
    [
        DraftContent(body="x" * 100_001),
        DraftContent(to="x" * 4_001),
        DraftContent(subject="x" * 999),
        DraftContent(cc="x" * 4_001),
    ],
)
def test_oversized_draft_is_refused(ann, words):
    with pytest.raises(InvalidInput):
        transitions.save(uuid7(), 0, words, DraftDestination(), by=ann)
    assert not Draft.objects.exists()


def test_nul_bytes_are_removed(ann):
    assert (
        transitions.save(uuid7(), 0, DraftContent(body="a\x00b", subject="\x00"), DraftDestination(), by=ann).body
        == "ab"
    )


def test_old_sent_or_discarded_drafts_are_deleted(ann, thread):
    message = send_draft(ann, thread)
    kept = make_draft(ann)
    gone = make_draft(ann)
    transitions.discard(gone, by=ann)
    purge_old_drafts(0)
    assert Draft.everything.count() == 3
    Draft.everything.filter(pk=gone.pk).update(deleted_at=timezone.now() - timedelta(days=31))
    Draft.everything.filter(message=message).update(deleted_at=timezone.now() - timedelta(days=31))
    purge_old_drafts(0)
    assert list(Draft.everything.all()) == [kept]
    assert Message.objects.filter(pk=message.pk).exists()


def test_query_count_is_constant_for_1_and_30_drafts(as_ann, ann, django_assert_max_num_queries):
    draft = make_draft(ann, lead=make_lead())
    as_ann.get("/inbox/draft/")
    with django_assert_max_num_queries(15) as few:
        as_ann.get("/inbox/draft/")
    leads = copy_lead(draft.lead, 29)
    copy_record(draft, 29, lambda n: {"lead": leads[n]})
    with django_assert_max_num_queries(len(few)):
        answer = as_ann.get("/inbox/draft/")
    assert len(answer.context["cl"].page.rows) == 30


def test_draft_list_uses_its_index(ann):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO drafts (author_id, subject) SELECT id, n::text FROM users, generate_series(1, 2000) AS n"
        )
        cursor.execute("ANALYZE drafts")
    found = Draft.objects.visible_to(ann).order_by("-updated_at", "-id")[:50].explain()
    assert "drafts_newest" in found and "Sort" not in found
