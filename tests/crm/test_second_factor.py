"""The second factor: codes of an app, recovery codes, and roles that need it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from crm.accounts.second_factor import read_secret, recovery_digest
from crm.accounts.second_factor_transitions import (
    check_code,
    confirm_second_factor,
    remove_second_factor,
    require_second_factor,
    start_second_factor,
)
from crm.exceptions import ActionRefused, IllegalTransition, NotPermitted
from crm.models import ActivityLog, RoleSecurity, SecondFactor, User
from crm.runtime.encryption import SecretUnreadable
from tests.cast import PASSWORD, browser, make_user, page_text

pytestmark = pytest.mark.django_db
HOME = "192.0.2.1"
RECOVERY = re.compile(r"(?<![\w-])\w{4}-\w{4}-\w{4}(?![\w-])")


def enter_password(user, page=None):
    page = page or Browser()
    return page, page.post("/login/?next=/leads/lead/", {"username": user.username, "password": PASSWORD})


def code_now(user, shift=0):
    totp = pyotp.TOTP(read_secret(SecondFactor.objects.get(user=user)))
    return totp.at(time.time(), counter_offset=shift)


def turn_on(user, page=None):
    """Set up the second factor of `user`; return the recovery codes. The code of the last half minute is used up."""
    page = page or browser(user)
    text = page_text(page.post("/second-factor/", {"begin": "1"}))
    assert "data:image/svg+xml" in text and read_secret(SecondFactor.objects.get(user=user)) in text
    text = page_text(page.post("/second-factor/", {"confirm": "1", "code": code_now(user, -1)}))
    return RECOVERY.findall(strip_tags(text))


def is_open(page):
    return page.get("/your-settings/").status_code == 200


def test_login_asks_for_the_code_and_goes_on_to_the_page(ann):
    assert len(turn_on(ann)) == 10
    page, response = enter_password(ann)
    assert response["Location"] == "/login/code/"
    assert not is_open(page)
    response = page.post("/login/code/", {"code": code_now(ann)})
    assert response["Location"] == "/leads/lead/"
    assert is_open(page)


def test_code_works_once_and_an_older_one_no_more(ann):
    turn_on(ann)
    used = code_now(ann)
    first, _ = enter_password(ann)
    first.post("/login/code/", {"code": used})
    for code in (used, code_now(ann, -1), code_now(ann, -2), code_now(ann, 3), "", "x" * 40, "１２３４５６"):
        second, _ = enter_password(ann)
        second.post("/login/code/", {"code": code})
        assert not is_open(second), code


def test_code_that_confirmed_the_app_works_for_no_login(ann):
    page = browser(ann)
    page.post("/second-factor/", {"begin": "1"})
    code = code_now(ann)
    assert RECOVERY.search(page_text(page.post("/second-factor/", {"confirm": "1", "code": code})))
    other, _ = enter_password(ann)
    other.post("/login/code/", {"code": code})
    assert not is_open(other)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_code_that_many_enter_at_once_works_once(kind):
    ann = make_user("ann", None)
    recovery = confirm_second_factor(start_second_factor(ann).user, code_now(ann, -1), address=HOME)
    code = code_now(ann) if kind == "app" else recovery[0]

    def enter(number):
        try:
            check_code(ann, code, address=HOME)
            return 1
        except ActionRefused:
            return 0
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(16))) == 1


def test_recovery_code_works_once_however_it_is_written(ann):
    recovery = turn_on(ann)[0]
    page, _ = enter_password(ann)
    assert page.post("/login/code/", {"code": recovery.upper().replace("-", " ")}).status_code == 302
    again, _ = enter_password(ann)
    assert again.post("/login/code/", {"code": recovery}).status_code == 200
    assert ActivityLog.objects.filter(summary="Recovery code used; 9 left.").exists()


def test_wrong_codes_are_limited(ann):
    turn_on(ann)
    page, _ = enter_password(ann)
    answers = [page.post("/login/code/", {"code": "000000"}).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert page.post("/login/code/", {"code": code_now(ann)}).status_code == 429


def test_wrong_codes_elsewhere_do_not_stop_the_owner_in_a_known_browser(ann):
    recovery = turn_on(ann)
    page, _ = enter_password(ann)
    page.post("/login/code/", {"code": recovery[0]})
    page.post("/logout/")
    attacker, _ = enter_password(ann)
    assert [attacker.post("/login/code/", {"code": "000000"}).status_code for _ in range(6)][-1] == 429
    enter_password(ann, page)
    page.post("/login/code/", {"code": recovery[1]})
    assert is_open(page)


def test_right_code_begins_counting_anew(ann):
    recovery = turn_on(ann)
    for code in recovery[:2]:
        page, _ = enter_password(ann)
        assert [page.post("/login/code/", {"code": "000000"}).status_code for _ in range(4)] == [200] * 4
        assert page.post("/login/code/", {"code": code}).status_code == 302


def test_deactivated_user_enters_no_code(ann):
    turn_on(ann)
    page, _ = enter_password(ann)
    User.objects.filter(pk=ann.pk).update(is_active=False)
    assert page.post("/login/code/", {"code": code_now(ann)})["Location"] == "/login/"


def test_half_login_opens_nothing_of_an_earlier_session(ann, bob):
    turn_on(ann)
    page, _ = enter_password(bob)
    assert is_open(page)
    enter_password(ann, page)
    assert not is_open(page)


def test_code_page_needs_the_password_first_and_not_long_ago(ann):
    turn_on(ann)
    assert Browser().get("/login/code/")["Location"] == "/login/"
    page, _ = enter_password(ann)
    session = page.session
    session["pending_login"] = {**session["pending_login"], "at": int(time.time()) - 601}
    session.save()
    assert page.post("/login/code/", {"code": code_now(ann)})["Location"] == "/login/"


def test_new_password_voids_a_half_login(ann):
    turn_on(ann)
    page, _ = enter_password(ann)
    ann.set_password("another long password 7")
    ann.save()
    assert page.post("/login/code/", {"code": code_now(ann)})["Location"] == "/login/"


def test_secret_and_recovery_codes_are_not_stored_in_clear(ann):
    codes = turn_on(ann)
    factor = SecondFactor.objects.get()
    stored = f"{factor.secret} {factor.recovery_digests}"
    assert read_secret(factor) not in stored
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_secret_and_recovery_codes_of_one_user_are_worth_nothing_for_another(ann, bob):
    factor = start_second_factor(ann)
    with pytest.raises(SecretUnreadable):
        read_secret(SecondFactor.objects.create(user=bob, secret=factor.secret))
    assert recovery_digest(ann, "abcd-efgh-jkmn") != recovery_digest(bob, "abcd-efgh-jkmn")


def test_wrong_first_codes_are_limited(ann):
    page = browser(ann)
    page.post("/second-factor/", {"begin": "1"})
    answers = [page_text(page.post("/second-factor/", {"confirm": "1", "code": "000000"})) for _ in range(6)]
    assert ["That code is wrong" in answer for answer in answers] == [True] * 5 + [False]
    page.post("/second-factor/", {"confirm": "1", "code": code_now(ann)})
    assert not SecondFactor.objects.get().confirmed_at


def test_second_factor_that_is_on_is_not_set_up_again(ann):
    turn_on(ann)
    before = SecondFactor.objects.values().get()
    with pytest.raises(IllegalTransition, match="You have a second factor already"):
        start_second_factor(ann)
    with pytest.raises(IllegalTransition, match="Begin to set up"):
        confirm_second_factor(ann, code_now(ann), address=HOME)
    assert SecondFactor.objects.values().get() == before


def test_second_factor_that_is_not_on_is_neither_checked_nor_removed(ann):
    start_second_factor(ann)
    with pytest.raises(IllegalTransition, match="Ann has no second factor"):
        check_code(ann, code_now(ann), address=HOME)
    SecondFactor.objects.all().delete()
    with pytest.raises(IllegalTransition, match="Ann has no second factor"):
        remove_second_factor(ann, by=ann)


def test_second_factors_of_colleagues_and_roles_are_for_administrators(ann, bob):
    turn_on(ann)
    with pytest.raises(NotPermitted):
        remove_second_factor(ann, by=bob)
    with pytest.raises(NotPermitted):
        require_second_factor(Group.objects.get(name="viewer"), True, by=bob)
    assert SecondFactor.objects.exists() and not RoleSecurity.objects.exists()


def test_wrong_first_code_turns_nothing_on(ann):
    page = browser(ann)
    page.post("/second-factor/", {"begin": "1"})
    assert "That code is wrong" in page_text(page.post("/second-factor/", {"confirm": "1", "code": "000000"}))
    _, response = enter_password(ann)
    assert response["Location"] == "/leads/lead/"


def test_turning_it_on_ends_other_sessions(ann):
    here, there = browser(ann), browser(ann)
    turn_on(ann, here)
    assert (is_open(here), is_open(there)) == (True, False)


def test_turning_off_and_new_recovery_codes_need_a_code(ann):
    page = browser(ann)
    old = turn_on(ann, page)
    before = SecondFactor.objects.values().get()
    for button in ("renew", "remove"):
        page.post("/second-factor/", {button: "1", "code": "000000"})
    assert SecondFactor.objects.values().get() == before
    text = page_text(page.post("/second-factor/", {"renew": "1", "code": old[0]}))
    new = RECOVERY.findall(strip_tags(text))
    assert len(new) == 10 and not {*new} & {*old}
    page.post("/second-factor/", {"remove": "1", "code": old[1]})
    assert SecondFactor.objects.exists()
    page.post("/second-factor/", {"remove": "1", "code": new[0]})
    assert not SecondFactor.objects.exists()


def require(role, is_needed=True):
    RoleSecurity.objects.create(role=Group.objects.get(name=role), needs_second_factor=is_needed)


def test_role_that_needs_it_opens_no_page_before_it_is_set_up(ann, vera, as_ann):
    require("agent")
    for url in ("/", "/leads/lead/", "/your-settings/", "/suggestions/suggestion/waiting/"):
        assert as_ann.get(url)["Location"] == "/second-factor/"
    assert "Your role needs a second factor." in page_text(as_ann.get("/second-factor/"))
    assert is_open(browser(vera))
    as_ann.post("/second-factor/", {"begin": "1"})
    assert as_ann.get("/")["Location"] == "/second-factor/"
    codes = turn_on(ann, as_ann)
    assert is_open(as_ann)
    as_ann.post("/second-factor/", {"remove": "1", "code": codes[0]})
    assert SecondFactor.objects.exists()


def test_member_without_a_second_factor_can_log_out(as_ann):
    require("agent")
    assert as_ann.post("/logout/").headers.get("Location") != "/second-factor/"
    assert as_ann.get("/")["Location"].startswith("/login/")


def test_role_that_no_longer_needs_it_opens_all_pages(ann, as_ann):
    require("agent", is_needed=False)
    assert is_open(as_ann)
    codes = turn_on(ann, as_ann)
    as_ann.post("/second-factor/", {"remove": "1", "code": codes[0]})
    assert not SecondFactor.objects.exists()


def test_need_of_a_role_is_read_with_the_user(as_ann):
    with CaptureQueriesContext(connection) as queries:
        assert as_ann.get("/your-settings/").status_code == 200
    [reading] = [query["sql"] for query in queries if "role_security" in query["sql"]]
    assert '"users"."password"' in reading


def test_administrators_decide_which_role_needs_it(ada, as_max):
    role = Group.objects.get(name="viewer")
    permissions = [str(key) for key in role.permissions.values_list("pk", flat=True)]
    data = {"name": "viewer", "needs_second_factor": "on", "permissions": permissions}
    url = f"/auth/group/{role.pk}/change/"
    assert as_max.post(url, data).status_code == 403
    assert browser(ada).post(url, data).status_code == 302
    assert RoleSecurity.objects.get().needs_second_factor
    assert ActivityLog.objects.filter(summary="The role “viewer” needs a second factor.").exists()
    assert needs_box(browser(ada).get(url))
    browser(ada).post(url, {**data, "name": "reader"})
    assert ActivityLog.objects.filter(verb="role_security").count() == 1
    browser(ada).post(url, {"name": "viewer", "permissions": permissions})
    assert ActivityLog.objects.filter(summary="The role “viewer” no longer needs a second factor.").exists()
    assert not needs_box(browser(ada).get(url))
    require_second_factor(role, False, by=ada)
    assert ActivityLog.objects.filter(verb="role_security").count() == 2


def needs_box(response):
    tag = page_text(response).split('name="needs_second_factor"')[1].split(">")[0]
    return "checked" in re.sub('"[^"]*"', "", tag).split()


def test_administrators_remove_the_second_factor_of_a_colleague(ada, ann):
    turn_on(ann)
    data = {"username": "ann", "email": ann.email, "is_active": "on", "is_staff": "on", "remove_second_factor": "on"}
    data["groups"] = [group.pk for group in ann.groups.all()]
    assert browser(ada).post(f"/crm/user/{ann.pk}/change/", data).status_code == 302
    assert not SecondFactor.objects.exists()
    assert ActivityLog.objects.for_target(ann)[0].actor == ada


def test_secrets_are_encrypted_again_with_a_new_key(ann, settings):
    turn_on(ann)
    [old], new = settings.CREDENTIALS_KEYS, f"{'n' * 43}="
    settings.CREDENTIALS_KEYS = [new, old]
    call_command("reencrypt_credentials")
    settings.CREDENTIALS_KEYS = [new]
    page, _ = enter_password(ann)
    assert page.post("/login/code/", {"code": code_now(ann)}).status_code == 302
