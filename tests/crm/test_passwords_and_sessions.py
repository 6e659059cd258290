"""Passwords by email, password changes, and the sessions of a user."""

import re
from datetime import datetime, timedelta
from unittest import mock

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail
from django.test import Client as Browser
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.accounts.sessions import public_key
from crm.accounts.transitions import end_sessions
from crm.exceptions import NotPermitted
from crm.models import ActivityLog, User, UserSession
from crm.tasks import clear_sessions, send_account_email
from tests.cast import PASSWORD, browser, page_text

pytestmark = pytest.mark.django_db
NEW = "another long password 7"


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.EMAIL_HOST = "mail.example.com"


def log_in(user, password=PASSWORD, **headers):
    page = Browser(headers=headers)
    page.post("/login/", {"username": user.username, "password": password})
    return page


def ask_for_link(email, **extra):
    return Browser().post("/password-reset/", {"email": email}, **extra)


def send_queued():
    """Run the queued jobs of account emails, and return the links they sent."""
    for job in ProcrastinateJob.objects.filter(task_name="crm.send_account_email"):
        send_account_email(**job.args)
    return [re.search(r"https?://\S+", email.body)[0] for email in mail.outbox]


def choose_password(link, password=NEW, page=None):
    page = page or Browser()
    form = page.get(link, follow=True)
    return page.post(form.request["PATH_INFO"], {"new_password1": password, "new_password2": password}), page


def is_open(page):
    return page.get("/your-settings/").status_code == 200


def test_link_in_email_lets_the_owner_choose_a_password_once(ann):
    text = page_text(ask_for_link("ANN@agency.example"))
    assert "If an account has the address ANN@agency.example, an email with a link is on its way." in text
    [link] = send_queued()
    assert mail.outbox[0].to == ["ann@agency.example"]
    assert link.startswith("http://testserver/choose-password/")
    response, page = choose_password(link)
    assert response["Location"] == "/login/"
    assert is_open(log_in(ann, NEW))
    assert "This link was used already, or is too old." in page_text(page.get(link, follow=True))


def test_link_begins_with_the_public_url(ann, settings):
    settings.PUBLIC_URL = "https://crm.example.com"
    ask_for_link(ann.email)
    assert send_queued()[0].startswith("https://crm.example.com/choose-password/")


def test_answer_does_not_say_whether_an_account_exists(ann):
    known, unknown = (page_text(ask_for_link(email)) for email in (ann.email, "who@agency.example"))
    assert known.replace(ann.email, "") == unknown.replace("who@agency.example", "")
    assert len(send_queued()) == 1


def test_job_holds_no_secret(ann):
    ask_for_link(ann.email)
    [job] = ProcrastinateJob.objects.filter(task_name="crm.send_account_email")
    assert job.args == {"user": str(ann.pk), "kind": "password_reset", "site": "http://testserver"}


def test_no_link_for_inactive_users_and_those_without_a_password(ann, bob):
    User.objects.filter(pk=ann.pk).update(is_active=False)
    bob.set_unusable_password()
    bob.save()
    ask_for_link(ann.email)
    ask_for_link(bob.email)
    assert ProcrastinateJob.objects.count() == 0


@pytest.mark.parametrize("change", [{"is_active": False}, {"email": ""}])
def test_no_link_for_users_who_left_before_it_was_sent(ann, change):
    ask_for_link(ann.email)
    User.objects.filter(pk=ann.pk).update(**change)
    assert send_queued() == []


def test_asking_for_links_is_limited(ann):
    answers = [ask_for_link(ann.email, REMOTE_ADDR=f"203.0.113.{number}").status_code for number in range(7)]
    assert answers == [200] * 5 + [429] * 2


def test_asking_for_links_to_many_accounts_from_one_address_is_limited():
    answers = [ask_for_link(f"user{number}@agency.example").status_code for number in range(21)]
    assert answers == [200] * 20 + [429]


def test_link_is_too_old_after_three_days(ann):
    ask_for_link(ann.email)
    with mock.patch.object(
        PasswordResetTokenGenerator, "_now", return_value=datetime.now() - timedelta(days=3, minutes=1)
    ):
        [link] = send_queued()
    assert "This link was used already, or is too old." in page_text(Browser().get(link, follow=True))


def test_new_password_from_a_link_works_although_the_account_is_blocked(ann):
    for number in range(5):
        Browser().post("/login/", {"username": "ann", "password": "x"}, REMOTE_ADDR=f"203.0.113.{number}")
    ask_for_link(ann.email)
    _, page = choose_password(send_queued()[0])
    assert page.post("/login/", {"username": "ann", "password": NEW}).status_code == 302


def test_without_a_mail_server_the_page_says_so(ann, settings):
    settings.EMAIL_HOST = ""
    assert "no mail server" in page_text(ask_for_link(ann.email))
    assert "Forgot" not in page_text(Browser().get("/login/"))
    assert ProcrastinateJob.objects.count() == 0


@pytest.mark.parametrize("url", ["/password_change/", "/your-sessions/", "/second-factor/"])
def test_pages_of_ones_own_account_need_a_login(url):
    assert Browser().get(url)["Location"] == f"/login/?next={url}"


def test_password_change_ends_all_other_sessions(ann):
    here, there = log_in(ann), log_in(ann)
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert here.post("/password_change/", form)["Location"] == "/your-sessions/"
    assert (is_open(here), is_open(there)) == (True, False)
    assert ActivityLog.objects.for_target(ann)[0].summary == "Password changed; all other sessions ended."


def test_password_reset_ends_all_sessions(ann):
    page = log_in(ann)
    ask_for_link(ann.email)
    choose_password(send_queued()[0])
    assert not is_open(page)


def test_guesses_of_the_old_password_are_limited(ann):
    page = log_in(ann)
    form = {"old_password": "guess", "new_password1": NEW, "new_password2": NEW}
    answers = [page_text(page.post("/password_change/", form)) for _ in range(6)]
    assert ["That is not your password." in answer for answer in answers] == [True] * 5 + [False]
    assert "Too many tries." in answers[5]


def test_users_see_their_sessions_and_end_one(ann, bob):
    here = log_in(ann, user_agent="Mozilla/5.0 (Windows NT 10.0) Firefox/130.0")
    there = log_in(ann, user_agent="Mozilla/5.0 (iPhone) AppleWebKit Safari/604.1")
    log_in(bob, user_agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/130")
    text = page_text(here.get("/your-sessions/"))
    assert "Firefox on Windows" in text and "Safari on iPhone" in text and "127.0.0.1" in text
    assert "Chrome" not in text
    assert not any(row.session_key in text for row in UserSession.objects.all())
    [key] = re.findall(r'name="end" value="(\w{40,})"', text)
    here.post("/your-sessions/", {"end": key})
    assert (is_open(here), is_open(there)) == (True, False)
    assert ActivityLog.objects.for_target(ann)[0].summary == "1 session ended."


def test_users_end_all_other_sessions_and_never_those_of_a_colleague(ann, bob):
    here, there, of_bob = log_in(ann), log_in(ann), log_in(bob)
    here.post("/your-sessions/", {"end": "others"})
    assert [is_open(page) for page in (here, there, of_bob)] == [True, False, True]
    here.post("/your-sessions/", {"end": public_key(UserSession.objects.get(user=bob).session_key)})
    assert is_open(of_bob)


def test_session_of_an_old_password_is_not_listed(ann):
    log_in(ann)
    ann.set_password(NEW)
    ann.save()
    assert page_text(log_in(ann, NEW).get("/your-sessions/")).count('data-l="Browser"') == 1


def test_use_of_a_session_is_stored_at_most_every_quarter_of_an_hour(ann, django_assert_num_queries):
    page = log_in(ann)
    before = UserSession.objects.get().last_seen_at
    page.get("/your-settings/")
    assert UserSession.objects.get().last_seen_at == before
    session = page.session
    session["seen_at"] -= 901
    session.save()
    page.get("/your-settings/")
    assert UserSession.objects.get().last_seen_at > before


def test_sessions_are_ended_by_their_user_alone(ann, bob):
    log_in(ann)
    with pytest.raises(NotPermitted):
        end_sessions(UserSession.objects.all(), user=ann, by=bob)
    assert end_sessions(UserSession.objects.all(), user=bob, by=bob) == 0
    assert UserSession.objects.count() == 1


def test_expired_session_is_not_listed(ann):
    here = log_in(ann)
    log_in(ann)
    UserSession.objects.exclude(pk=here.session.session_key).update(expire_date="2020-01-01T00:00Z")
    assert page_text(here.get("/your-sessions/")).count('data-l="Browser"') == 1


def test_long_name_of_a_browser_is_cut(ann):
    assert is_open(log_in(ann, user_agent="Mozilla " * 100))
    assert len(UserSession.objects.get().browser) == 300


def test_session_that_reads_the_list_is_not_ended_from_it(ann):
    here = log_in(ann)
    here.post("/your-sessions/", {"end": public_key(here.session.session_key)})
    assert is_open(here)


def test_expired_sessions_are_deleted(ann):
    browser(ann)
    UserSession.objects.update(expire_date="2020-01-01T00:00Z")
    clear_sessions(0)
    assert UserSession.objects.count() == 0


def test_password_that_an_administrator_sets_is_logged(ada, ann):
    page = browser(ada)
    address = f"/crm/user/{ann.pk}/password/"
    page.post(address, {"password1": NEW, "password2": "another", "usable_password": "true"})
    assert not ActivityLog.objects.for_target(ann).filter(verb="password_changed").exists()
    page.post(address, {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": "1"})
    entry = ActivityLog.objects.for_target(ann).get(verb="password_changed")
    assert entry.actor_id == ada.pk
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    assert page.get("/crm/user/nobody/password/").status_code == 404
