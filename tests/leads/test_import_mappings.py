"""Tests of saved mappings: what is decided about a file, for the next file of the same source."""

import io

import pytest
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from crm.exceptions import InvalidInput, NotPermitted
from leads.importing.batches.transitions import save_options, upload_file
from leads.importing.preview import ImportOptions
from leads.importing.saved_mappings.transitions import apply_mapping, delete_mapping, rename_mapping, save_mapping
from leads.importing.values.parsers import Notation
from leads.models import ImportBatch, ImportedTable, ImportMapping, Lead
from tests.cast import browser, make_user, page_text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_storage")]
OPTIONS = ImportOptions(
    column_fields={"Info": "notes", "Pet": "custom:Animal", "Junk": "-"},
    field_templates={"tags": "2026"},
    values={("Phase", "Hot"): "ACTIVE"},
    notation=Notation(",", "dmy"),
    key="Nr",
    duplicates="update",
)
CONTENT = "Name,E-Mail,Nr,Info,Pet,Junk,Phase\nAnn,a@x.example,7,hello,cat,x,Hot\n"


def upload(content: str, *, by) -> ImportBatch:
    return upload_file("people.csv", ContentFile(content.encode()), by=by)


@pytest.fixture
def mapping(ann) -> ImportMapping:
    batch = upload(CONTENT, by=ann)
    save_options(batch, OPTIONS, by=ann)
    return save_mapping(batch, " Our  CRM ", by=ann)


def test_mapping_keeps_every_decision_and_applies_to_the_next_file(bob, mapping):
    assert mapping.name == "Our CRM"
    batch = upload(CONTENT.replace("hello", "other"), by=bob)
    assert apply_mapping(batch, mapping, by=bob).notes == ()
    options = ImportOptions.from_json(batch.options)
    assert (options.values, options.notation, options.key, options.duplicates) == (
        OPTIONS.values,
        OPTIONS.notation,
        "Nr",
        "update",
    )
    assert options.field_templates == {"tags": "2026"}
    assert options.column_fields == {
        "Name": "contact_name",
        "E-Mail": "contact_email",
        "Nr": "",
        "Info": "notes",
        "Pet": "custom:Animal",
        "Junk": "-",
        "Phase": "status",
    }


def test_changed_file_gets_the_part_of_a_mapping_that_fits(ann, mapping):
    batch = upload("name,Info,Extra\nAnn,hello,1\n", by=ann)
    fitted = apply_mapping(batch, mapping, by=ann)
    assert fitted.options.column_fields == {"Name": "contact_name", "Info": "notes"}
    assert fitted.notes == (
        "Not in this file, so not applied: “E-Mail”, “Nr”, “Pet”, “Junk”, “Phase”.",
        "New in this file, so found by name: “Extra”.",
        "“Nr” identified the rows and is not in this file. Choose another column.",
    )


def test_field_that_is_gone_is_kept_as_custom_field_and_said(ann, mapping):
    fields = {**mapping.options["column_fields"], "Info": "auto.wings"}
    ImportMapping.objects.update(options={**mapping.options, "column_fields": fields})
    mapping.refresh_from_db()
    fitted = apply_mapping(upload(CONTENT, by=ann), mapping, by=ann)
    assert "Info" not in fitted.options.column_fields
    assert fitted.notes == ("No longer a field, so kept as custom fields: “auto.wings”.",)


def test_mapping_is_offered_applied_saved_renamed_and_deleted_on_the_screen(ann, bob, mapping):
    visitor = browser(bob)
    batch, other = upload(CONTENT, by=bob), upload("Foo,Bar,Name\n1,2,3\n", by=bob)
    names = ("columns", "apply_mapping", "save_mapping")
    pages = {name: reverse(f"admin:leads_importbatch_{name}", args=[batch.pk]) for name in names}
    assert "Our CRM (7 of 7 columns)" in page_text(visitor.get(pages["columns"]))
    assert "Our CRM" not in page_text(visitor.get(reverse("admin:leads_importbatch_columns", args=[other.pk])))
    answer = visitor.post(pages["apply_mapping"], {"mapping": mapping.pk}, follow=True)
    assert "Mapping “Our CRM” applied." in page_text(answer)
    batch.refresh_from_db()
    assert batch.options["key"] == "Nr"
    visitor.post(pages["save_mapping"], {"name": "our crm"})
    assert ImportMapping.objects.get().saved_by == bob, "the mapping with this name is replaced"
    manage = reverse("admin:leads_importbatch_mappings")
    assert "our crm" in page_text(visitor.get(manage))
    visitor.post(manage, {"mapping": mapping.pk, "name": "Theirs", "do": "rename"})
    assert ImportMapping.objects.get().name == "Theirs"
    visitor.post(manage, {"mapping": mapping.pk, "do": "delete"})
    assert not ImportMapping.objects.exists()
    assert "no longer exists" in page_text(visitor.post(pages["apply_mapping"], {"mapping": mapping.pk}, follow=True))


def test_mapping_is_offered_for_files_of_its_table_only(max, mapping):
    batch, visitor = upload(CONTENT, by=max), browser(max)
    ImportBatch.objects.filter(pk=batch.pk).update(table=ImportedTable.CLIENTS)
    batch.refresh_from_db()
    page = reverse("admin:leads_importbatch_columns", args=[batch.pk])
    assert "Our CRM" not in page_text(visitor.get(page))
    with pytest.raises(InvalidInput, match="The mapping “Our CRM” is for leads. Choose another one."):
        apply_mapping(batch, mapping, by=max)
    visitor.post(reverse("admin:leads_importbatch_save_mapping", args=[batch.pk]), {"name": "Our CRM"})
    assert [*ImportMapping.objects.order_by("table").values_list("name", "table")] == [
        ("Our CRM", "clients"),
        ("Our CRM", "leads"),
    ]
    assert "Our CRM (7 of 7 columns)" in page_text(visitor.get(page))


def test_mappings_page_shows_those_of_tables_that_the_user_may_import(mapping):
    user = make_user("importer", None)
    for codename in ("add_importbatch", "view_importbatch", "add_client"):
        user.user_permissions.add(Permission.objects.get(codename=codename))
    ImportMapping.objects.create(name="Clients of the branch", table=ImportedTable.CLIENTS, header=["Name"])
    text = page_text(browser(user).get(reverse("admin:leads_importbatch_mappings")))
    assert "Clients of the branch" in text and "Our CRM" not in text


def test_mapping_name_must_be_free_and_filled_and_needs_permission(ann, vera, mapping):
    batch = upload(CONTENT, by=ann)
    second = save_mapping(batch, "Second", by=ann)
    with pytest.raises(InvalidInput, match="There is a mapping with this name already"):
        rename_mapping(second, "OUR CRM", by=ann)
    with pytest.raises(InvalidInput, match="has 1 to 100 characters"):
        save_mapping(batch, "  ", by=ann)
    for act in (lambda: delete_mapping(second, by=vera), lambda: rename_mapping(second, "x", by=vera)):
        with pytest.raises(NotPermitted):
            act()
    manage = reverse("admin:leads_importbatch_mappings")
    assert browser(vera).get(manage).status_code == 403


def test_command_uses_a_mapping_and_its_options_come_first(tmp_path, mapping):
    path, err = tmp_path / "people.csv", io.StringIO()
    path.write_text(CONTENT + "Bob,b@x.example,8,hi,dog,y,Hot\n")
    call_command(
        "import_records", "leads", str(path), "--mapping", "our crm", "--map", "Info=", stdout=io.StringIO(), stderr=err
    )
    lead = Lead.objects.get(contact_name="Ann")
    assert (lead.status_id, lead.tags, lead.notes) == ("ACTIVE", ["2026"], "")
    assert lead.custom_fields == {"Nr": 7, "Animal": "cat", "Info": "hello", "Phase": "Hot"}
    with pytest.raises(CommandError, match="There is no mapping “Nope”. The mappings are: Our CRM."):
        call_command("import_records", "leads", str(path), "--mapping", "Nope", stderr=err)
