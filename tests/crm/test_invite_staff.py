"""Inviting colleagues by email, and what others see of an account."""

import re

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client as Browser
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.models import ActivityLog, User
from crm.tasks import send_account_email
from tests.cast import browser, make_lead, page_text

pytestmark = pytest.mark.django_db
NEW = "another long password 7"


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.EMAIL_HOST = "mail.example.com"


@pytest.fixture
def as_ada(ada):
    return browser(ada)


def invite(page, **fields):
    role = Group.objects.get(name="agent")
    data = {
        "username": "nina",
        "first_name": "Nina",
        "last_name": "New",
        "email": "nina@agency.example",
        "role": role.pk,
    }
    return page.post("/crm/user/add/", {**data, **fields})


def send_queued():
    for job in ProcrastinateJob.objects.filter(task_name="crm.send_account_email"):
        send_account_email(**job.args)
    return [re.search(r"https?://\S+", email.body)[0] for email in mail.outbox]


def save_staff(page, user, **fields):
    data = {"username": user.username, "email": user.email, "is_active": "on", "is_staff": "on", **fields}
    return page.post(f"/crm/user/{user.pk}/change/", data)


def test_invited_colleague_chooses_a_password_and_has_the_role(as_ada, ada):
    assert invite(as_ada).status_code == 302
    nina = User.objects.get(username="nina")
    assert (nina.is_staff, nina.is_superuser, nina.has_usable_password()) == (True, False, False)
    assert [group.name for group in nina.groups.all()] == ["agent"]
    assert ActivityLog.objects.for_target(nina)[0].summary == "Invited Nina New as agent."
    [link] = send_queued()
    assert "Your username is “nina”." in mail.outbox[0].body
    page = Browser()
    form = page.get(link, follow=True)
    page.post(form.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW})
    assert page.post("/login/", {"username": "nina", "password": NEW}).status_code == 302
    assert page.get("/leads/lead/").status_code == 200


@pytest.mark.parametrize("field", ["email", "role", "username"])
def test_invitation_needs_username_email_and_role(as_ada, field):
    assert "This field is required" in page_text(invite(as_ada, **{field: ""}))
    assert not User.objects.filter(first_name="Nina").exists()


def test_only_administrators_invite(as_max):
    assert invite(as_max).status_code == 403
    assert not User.objects.filter(username="nina").exists()


def test_invitation_is_sent_again_until_a_password_is_chosen(as_ada):
    invite(as_ada)
    nina = User.objects.get(username="nina")
    assert save_staff(as_ada, nina, invite_again="on").status_code == 302
    assert len(send_queued()) == 2
    nina.set_password(NEW)
    nina.save()
    assert "no password is invited" in page_text(save_staff(as_ada, nina, invite_again="on"))


def test_without_a_mail_server_the_administrator_sets_the_password(as_ada, settings):
    settings.EMAIL_HOST = ""
    form = {"username": "nina", "password1": NEW, "password2": NEW, "usable_password": "true"}
    assert as_ada.post("/crm/user/add/", form).status_code == 302
    assert User.objects.get(username="nina").check_password(NEW)
    assert ProcrastinateJob.objects.count() == 0


def test_no_page_of_a_colleague_shows_a_part_of_the_password_hash(as_ann, as_ada, bob):
    algorithm, salt, digest = bob.password.split("$")
    for page in (as_ann, as_ada):
        text = page_text(page.get(f"/crm/user/{bob.pk}/change/"))
        assert "Bob" in text
        assert not any(part in text for part in (algorithm, salt, digest, digest[:6], "*****"))
    assert "Permissions" not in page_text(as_ann.get(f"/crm/user/{bob.pk}/change/"))


def test_page_of_an_account_lists_what_it_owns(as_ada, bob):
    make_lead(assigned_to=bob)
    assert "1 lead" in page_text(as_ada.get(f"/crm/user/{bob.pk}/change/"))


def test_list_of_staff_shows_roles(as_ada, bob):
    bob.groups.set(Group.objects.filter(name__in=["manager", "viewer"]))
    assert "manager, viewer" in page_text(as_ada.get("/crm/user/"))
