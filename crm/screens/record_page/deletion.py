"""Django's page that asks before a row is deleted."""

from collections import Counter
from typing import Any

from django.http import HttpRequest
from django.utils.text import capfirst

from crm.records.base import can_see_everyone


class CountedDeletionMixin:
    """For an admin class with Django's page that deletes: rows that refer to the row are counted, not named.

    The reader may not be allowed to see them, and they may be too many for a page. A reader who sees only some records
    reads no number either.
    """

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[str], dict[str, int], set, list[str]]:
        _, counts, missing_permissions, protected = super().get_deleted_objects(objs, request)
        # Django returns “Lead: Lee Lead” for each row.
        tables = Counter(str(row).partition(":")[0] for row in protected)
        if not can_see_everyone(request.user):
            return [capfirst(name) for name in counts], {}, missing_permissions, [*tables]
        deleted = [capfirst(f"{name}: {count:,}") for name, count in counts.items()]
        return deleted, counts, missing_permissions, [f"{name}: {count:,}" for name, count in tables.items()]
