"""The screens of web forms: who may see them, what they show, and what is refused there."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.models import ActivityLog
from inbox.models import Thread, WebForm
from tests.cast import browser, make_lead, make_user, page_text
from tests.inbox.web_forms import PERSON, WEBSITE, make_web_form, post_json

pytestmark = pytest.mark.django_db
LIST, ADD = "/inbox/webform/", "/inbox/webform/add/"
FIELDS = {
    "name": "Auto page",
    "heading": "Request a quote",
    "shown_fields": ["email", "message"],
    "required_fields": ["email"],
    "source_type": "WEBSITE",
    "thanks_text": "Thank you.",
    "hourly_limit": "300",
    "hourly_limit_per_sender": "20",
}


@pytest.fixture
def manager(db):
    return make_user("mia", "manager")


def page_of(web_form: WebForm) -> str:
    return f"{LIST}{web_form.pk}/change/"


def test_only_managers_and_administrators_see_web_forms(ann, manager):
    web_form = make_web_form()
    assert browser(manager).get(page_of(web_form)).status_code == 200
    assert browser(ann).get(page_of(web_form)).status_code == 403
    assert browser(make_user("vera", "viewer")).get(LIST).status_code == 403
    assert LIST not in browser(ann).get("/").content.decode()


def test_manager_creates_a_form_that_works(manager):
    texts = {"allowed_origins": f"{WEBSITE}/\nhttps://Example.org:443", "questions": "How did you find us?\n\nWhen?"}
    response = browser(manager).post(ADD, {**FIELDS, **texts})
    web_form = WebForm.objects.get()
    assert response["Location"] == page_of(web_form)
    assert web_form.allowed_origins == [WEBSITE, "https://example.org"]
    assert web_form.questions == ["How did you find us?", "When?"]
    assert post_json(web_form, {**PERSON, "phone": ""}).status_code == 201
    edit = browser(manager).get(f"{page_of(web_form)}?edit=1")
    assert edit.context["adminform"].form["allowed_origins"].value() == f"{WEBSITE}\nhttps://example.org"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"allowed_origins": "harbor.example"}, "is not the address of a website. Write it as https://"),
        ({"questions": "Email"}, "“Email” is the name of a field of the form."),
        ({"questions": "line_year"}, "is the name of a field of the form."),
        ({"questions": "x" * 61}, "is longer than 60 characters."),
        ({"questions": "\n".join(map(str, range(21)))}, "Enter at most 20 questions; these are 21."),
        ({"shown_fields": ["message"], "required_fields": []}, "Show the email or the phone"),
        ({"required_fields": ["phone"]}, "A field that is required must be shown."),
        ({"redirect_url": "https://evil.example/"}, "must be on one of the allowed websites. They are: none yet."),
        ({"asks_line_questions": "on"}, "Choose the line that has the questions, or do not ask them."),
        ({"hourly_limit": "0"}, "The hourly limit must lie between 1 and 100000."),
        ({"name": "TAKEN"}, "A web form with this name already exists."),
    ],
)
def test_form_that_cannot_work_is_refused(manager, changed, sentence):
    make_web_form(name="Taken")
    response = browser(manager).post(ADD, {**FIELDS, **changed})
    assert sentence in page_text(response).replace("&#x27;", "'")
    assert WebForm.objects.count() == 1


def test_page_shows_snippet_messages_and_refusals(manager):
    web_form = make_web_form(questions=["How did you <find> us?"])
    post_json(web_form)
    post_json(web_form, {"name": "Nora"})
    page = browser(manager).get(page_of(web_form)).content.decode()
    assert f"&lt;form action=&quot;http://testserver/in/{web_form.token}&quot;" in page
    assert "How did you &amp;lt;find&amp;gt; us?" in page
    assert "Nora New" in page and "New lead" in page
    assert "Fields missing or invalid" in page and "Last answer: Some fields need your attention." in page


def test_snippet_names_the_public_address(manager, settings):
    settings.PUBLIC_URL = "https://crm.example.com"
    web_form = make_web_form()
    assert f"https://crm.example.com/in/{web_form.token}" in browser(manager).get(page_of(web_form)).content.decode()


def test_name_of_a_colleagues_lead_is_not_shown(ann, bob):
    web_form = make_web_form()
    make_lead(contact_name="Zorq Hidden", contact_email="nora@example.com", assigned_to=bob)
    post_json(web_form)
    role = ann.groups.get()
    role.permissions.add(*make_user("mia", "manager").groups.get().permissions.filter(codename="view_webform"))
    page = browser(ann).get(page_of(web_form)).content.decode()
    assert "Another owner’s lead" in page and "Zorq" not in page
    assert str(Thread.objects.get().pk) not in page


def test_closing_opening_and_renewing_are_recorded(manager):
    web_form, page = make_web_form(), browser(manager)
    old = web_form.token
    for verb, is_active in (("close", False), ("open", True), ("renew", True)):
        page.post(f"{LIST}{web_form.pk}/do/{verb}/", {})
        web_form.refresh_from_db()
        assert web_form.is_active == is_active
    assert web_form.token != old and len(web_form.token) == 22
    assert set(ActivityLog.objects.filter(target_id=web_form.pk).values_list("verb", flat=True)) == {
        *("closed", "opened", "renewed"),
    }
    assert old not in page.get(f"{LIST}{web_form.pk}/history/").content.decode()


def test_list_costs_the_same_for_one_form_and_many(manager):
    page = browser(manager)

    def statements() -> int:
        page.get(LIST)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert page.get(LIST).status_code == 200
        return len(queries)

    post_json(make_web_form(assigned_to=manager))
    one = statements()
    for _ in range(9):
        post_json(make_web_form(assigned_to=manager))
    assert statements() == one
