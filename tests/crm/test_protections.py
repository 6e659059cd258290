"""What tests are protected from: a paid model, the files of the installation, and rows that another test has left."""

import pytest
from pydantic_ai import models as pydantic_ai_models

from crm.models import Client
from leads.models import LeadStatus
from tests.cast import copy_record, make_client


def test_no_test_calls_a_paid_model_or_stores_a_file_in_the_folder_of_the_data(settings):
    assert {settings.AI_MODEL, settings.AI_URL, settings.AI_KEY, settings.AI_PROVIDER} == {""}
    assert pydantic_ai_models.ALLOW_MODEL_REQUESTS is False
    assert not settings.MEDIA_ROOT.is_relative_to(settings.DATA_DIR)
    assert settings.MEDIA_ROOT.name != "shared", "a test does not see the files that tests of a module share"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", ["first", "second"])
def test_rows_that_a_test_commits_are_gone_and_seeds_are_back(turn):
    assert not Client.everything.exists()
    assert LeadStatus.objects.filter(pk="ACTIVE", label="Active").exists()
    make_client(name=turn)
    LeadStatus.objects.filter(pk="ACTIVE").update(label=turn)


@pytest.mark.django_db
def test_copies_of_a_record_have_keys_of_their_own_and_what_varies():
    client = make_client(name="Ann", tags=["vip"])
    copies = copy_record(client, 2, lambda number: {"name": f"Copy {number}"})
    assert len({client.pk, *(one.pk for one in copies)}) == 3
    stored = Client.objects.exclude(pk=client.pk).order_by("name")
    assert [(one.name, one.tags) for one in stored] == [("Copy 0", ["vip"]), ("Copy 1", ["vip"])]
