"""Inviting colleagues by email, and what others see of an account."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.test import Client as Browser
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.accounts import transitions
from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog, User
from crm.tasks import send_account_email
from tests.cast import browser, make_lead, make_user, page_text

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


def test_invitations_need_the_permissions_to_add_and_to_change_accounts(ann):
    role = Group.objects.get(name="agent")
    eve = make_user("eve", None)
    ann.user_permissions.add(Permission.objects.get(codename="add_user"))
    eve.user_permissions.add(Permission.objects.get(codename="change_user"))
    for inviter in (ann, eve):
        with pytest.raises(NotPermitted):
            transitions.invite(User(username="nina", email="nina@agency.example"), role, by=inviter, site="")
    assert not User.objects.filter(username="nina").exists()
    ann.set_unusable_password()
    ann.save()
    with pytest.raises(NotPermitted):
        transitions.send_invitation(ann, by=ann, site="")


def test_invitation_with_a_username_that_is_taken_is_refused_in_a_sentence(ada, ann):
    with pytest.raises(InvalidInput):
        transitions.invite(User(username="ann", email="x@agency.example"), Group.objects.first(), by=ada, site="")


@pytest.mark.parametrize("change", [{"is_active": False}, {"email": ""}, {"password": "md5$x$y"}])
def test_only_active_accounts_with_an_address_and_no_password_are_invited(ada, ann, change):
    ann.set_unusable_password()
    for name, value in change.items():
        setattr(ann, name, value)
    with pytest.raises(IllegalTransition, match="Ann cannot be invited"):
        transitions.send_invitation(ann, by=ada, site="")


def test_invitation_is_not_sent_again_without_a_mail_server(as_ada, ann, settings):
    ann.set_unusable_password()
    ann.save()
    settings.EMAIL_HOST = ""
    assert "no password is invited" in page_text(save_staff(as_ada, ann, invite_again="on"))
    assert ProcrastinateJob.objects.count() == 0


def test_second_factor_that_a_colleague_has_not_is_not_removed(as_ada, ann):
    assert "Ann has no second factor" in page_text(save_staff(as_ada, ann, remove_second_factor="on"))


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


def test_pages_of_staff_and_roles_say_role_and_never_group(as_ann, ann):
    june, role = make_user("june", "administrator", is_superuser=True), Group.objects.get(name="viewer")
    as_june = browser(june)
    pages = [as_ann.get(f"/crm/user/{june.pk}/change/")]
    for address in ("", "add/", f"{ann.pk}/change/", f"{ann.pk}/history/", f"{ann.pk}/delete/"):
        pages.append(as_june.get(f"/crm/user/{address}"))
    for address in ("", "add/", f"{role.pk}/change/", f"{role.pk}/history/", f"{role.pk}/delete/"):
        pages.append(as_june.get(f"/auth/group/{address}"))
    texts = [re.sub(r"<[^>]*>", " ", page.content.decode()) for page in pages]
    assert [re.findall(r".*\bgroups?\b.*", text, re.IGNORECASE) for text in texts] == [[]] * len(pages)
    assert all("roles" in text.lower() for text in texts)
