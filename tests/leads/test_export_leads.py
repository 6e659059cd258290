"""Tests of exporting leads and importing the file again."""

from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm.records.activity import SYSTEM_ACTOR
from leads.importing.transitions import import_file
from leads.models import Lead, Tier
from leads.transitions import create_lead
from tests.cast import allow_export, make_lead, make_user
from tests.examples import examples

COMPARED_COLUMNS = (
    *("contact_name", "contact_email", "contact_phone", "company_name", "client_type", "source_type", "source_detail"),
    *("assigned_to_id", "status_id", "insurance_type_id", "tier_override", "estimated_value", "expected_close_date"),
    *("tags", "notes", "custom_fields"),
)
# These columns say how a lead stands; an import keeps them as custom fields.
COMPUTED_COLUMNS = ("Current tier", "Current score", "Win probability", "Last contact")
WORDS = st.text(alphabet="ab 'é=+-@;,\"\n\t1", max_size=12)
LINES = WORDS.map(lambda text: " ".join(text.split()))


@pytest.mark.django_db
def test_command_writes_visible_leads(tmp_path, ann, bob, capsys):
    allow_export(ann)
    make_lead(contact_name="Mine", assigned_to=ann)
    make_lead(contact_name="Hidden", assigned_to=bob)
    file = tmp_path / "leads.csv"
    call_command("export_leads", str(file), "--user", "ann")
    assert capsys.readouterr().out == f"Leads exported to {file}: 1.\n"
    assert "Mine" in file.read_text("utf-8-sig") and "Hidden" not in file.read_text("utf-8-sig")
    with pytest.raises(CommandError, match="exists"):
        call_command("export_leads", str(file), "--user", "ann")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["--user", "nobody"], "There is no active user “nobody”."),
        (["--user", "max", "--list", "colour=red"], "The filter “colour” is unknown or invalid."),
        (["--user", "ann"], "Ann may not export lists."),
    ],
)
def test_command_refuses_bad_input(tmp_path, ann, max, options, refusal):
    with pytest.raises(CommandError, match=refusal):
        call_command("export_leads", str(tmp_path / "leads.csv"), *options)
    assert list(tmp_path.iterdir()) == []


class TestRoundTrip(TestCase):
    @settings(deadline=None, max_examples=examples(45))
    @given(
        names=st.lists(LINES.filter(lambda text: any(char.isalpha() for char in text)), min_size=1, max_size=3),
        notes=WORDS,
        company=LINES,
        value=st.none() | st.decimals("0", "99999.99", places=2),
        tags=st.lists(st.sampled_from(["vip", "=sum", "-x", "'quoted"]), unique=True),
        custom=st.dictionaries(st.sampled_from(["Pet", "Plan", "Shoe size"]), LINES.filter(bool)),
        tier=st.none() | st.sampled_from(Tier.values),
    )
    def test_imported_export_is_the_same(self, names, notes, company, value, tags, custom, tier):
        max = make_user("max", "manager")
        for number, name in enumerate(names):
            lead = Lead(
                contact_name=name,
                contact_email=f"lead{number}@example.com",
                contact_phone=f"+49 731 12345{number}",
                company_name=company,
                source_detail="Fair",
                notes=notes.strip(),
                estimated_value=value,
                tags=tags,
                custom_fields=custom,
                tier_override=tier,
                assigned_to=max,
            )
            create_lead(lead, by=SYSTEM_ACTOR)
        before = compared_rows()
        with TemporaryDirectory() as folder:
            file = Path(folder) / "leads.csv"
            call_command("export_leads", str(file), "--user", "max", stdout=StringIO())
            Lead.everything.all().delete()
            import_file(file, by=SYSTEM_ACTOR)
        assert compared_rows() == before


def compared_rows() -> list[dict]:
    rows = list(Lead.objects.order_by("contact_email").values(*COMPARED_COLUMNS))
    for row in rows:
        row["custom_fields"] = {k: str(v) for k, v in row["custom_fields"].items() if k not in COMPUTED_COLUMNS}
    return rows
