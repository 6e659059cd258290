import pytest
from tests.cast import *
from tests.crm.test_edit_form import *
pytestmark = pytest.mark.django_db
def test_a(as_max):
    assert as_max.get("/leads/task/add/?lead=garbage&client=%00&project=x&assignee=x&due_on=x").status_code == 200
def test_b(as_max):
    assert as_max.post("/leads/task/add/", {"title": "x", "lead":"garbage"}).status_code == 200
def test_c(as_max):
    lead=make_lead()
    assert as_max.post(url(lead), link_data(opened(as_max, lead), {"contact": "garbage", "role": "other"})).status_code == 200
def test_d(as_max):
    lead=make_lead()
    assert as_max.post(url(lead), link_data(opened(as_max, lead), {"contact": make_contact().pk, "role": "other", "id":"garbage", "lead":"garbage"})).status_code == 200
def test_e(as_max):
    lead=make_lead()
    for t in ("x","-1","999999999","","1e3"):
        assert as_max.post(url(lead), {**opened(as_max, lead), "contact_links-TOTAL_FORMS": t}).status_code in {200,302}, t
def test_f(as_max):
    lead=make_lead()
    for verb in "stage take assign tier note task tag".split():
        assert as_max.get(f"/leads/lead/{lead.pk}/do/{verb}/?owner=x&stage=%00&tier=%00&assignee=%00&due_on=%00&body=%00&title=%00&tag=%00").status_code==200
        for t in ("\x00","x","'", "9"*400):
            r=as_max.post(f"/leads/lead/{lead.pk}/do/{verb}/", dict.fromkeys("owner stage tier assignee due_on body title tag loss_reason loss_notes next".split(), t))
            assert r.status_code in (422,302), (verb,t, r.status_code)
    for verb in ("\x00","nope","restore","purge"):
        assert as_max.post(f"/leads/lead/{lead.pk}/do/{verb.replace(chr(0),'%00')}/").status_code in (403,404,422), verb
