"""Each table with custom fields has everything that a definition promises."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection

from crm.models import CustomFieldTable, ScannedTable
from crm.models.schema_change import COLUMNS_BY_TABLE
from crm.screens.custom_fields.filters import CustomFieldFilterMixin

INDEX_SQL = """
SELECT 1 FROM pg_indexes WHERE tablename = %s AND indexdef LIKE '%%gin (custom_fields jsonb_path_ops)%%'
   AND indexdef LIKE '%%deleted_at IS NULL%%'
"""


@pytest.mark.parametrize("table", CustomFieldTable)
@pytest.mark.django_db
def test_table_has_column_index_filters_input_and_file(table, rf, max):
    model = apps.get_model(table.value)
    screen = admin.site.get_model_admin(model)
    assert issubclass(screen.filterset_class, CustomFieldFilterMixin)
    assert screen.list_export.has_custom_fields
    request = rf.get("/")
    request.user = max
    assert "custom_fields" in screen.get_form(request).base_fields
    assert "custom_fields" in COLUMNS_BY_TABLE[table]
    assert table.value in ScannedTable
    with connection.cursor() as cursor:
        cursor.execute(INDEX_SQL, [model._meta.db_table])
        assert cursor.fetchone()
