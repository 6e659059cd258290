"""The permissions of a user: those of the roles and those given to the user, read in one statement."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group

from crm.models import User
from crm.permissions import OneStatementBackend
from tests.cast import allow_export, make_user


def test_permissions_come_from_the_user_and_from_every_role(ann, django_assert_num_queries):
    ann.groups.add(Group.objects.get(name="schema admin"))
    allow_export(ann)
    user = User.objects.get(pk=ann.pk)
    with django_assert_num_queries(1):
        allowed = user.get_all_permissions()
        assert user.has_perms({"crm.export_records", "leads.change_lead", "leads.change_insurancetype"})
        assert not user.has_perm("leads.purge_lead")
    assert allowed == ModelBackend().get_all_permissions(User.objects.get(pk=ann.pk))


def test_permissions_of_nobody_and_of_a_superuser(stranger, ada):
    assert stranger.get_all_permissions() == set()
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert User.objects.get(pk=ada.pk).get_all_permissions() == set()
    assert "leads.purge_lead" in make_user("root", is_superuser=True).get_all_permissions()


def test_session_of_a_deactivated_user_opens_nothing(ann, as_ann):
    assert as_ann.get("/your-settings/").status_code == 200
    User.objects.filter(pk=ann.pk).update(is_active=False)
    assert as_ann.get("/your-settings/").status_code == 302
    assert OneStatementBackend().get_user(ann.pk) is None
