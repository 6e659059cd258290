"""The whole record of a person as a zip file: for each table a page to read and its rows as JSON, and all files.

It is written while it is sent. In memory are the keys of the rows, and one chunk of rows.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from django.contrib.postgres.search import SearchVectorField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.template import loader
from django.utils import timezone
from django.utils.text import capfirst

from crm.models import User
from crm.records.local_time import format_day, format_moment
from crm.records.privacy.footprint import Footprint
from crm.records.privacy.person import Person
from crm.records.privacy.tables import (
    FILE_READERS,
    SECRET_COLUMNS,
    WITHOUT_PERSONS,
    audited_table,
    column_name,
)
from crm.runtime.output_buffer import OutputBuffer
from crm.screens.json_forms.display import flatten_value

CHUNK_SIZE, ROWS_AT_ONCE = 1 << 16, 50
MAX_FILE_NAME_LENGTH = 80
# The columns of the row audit that say nothing to a reader.
AUDIT_COLUMNS = {"pgh_id", "pgh_context", "pgh_obj"}
FILE_FOLDER, TABLE_FOLDER, UNREADABLE = "files", "tables", "files/not included.txt"
# Where the rows of a table stand in its page.
PLACE_OF_ROWS = "(rows)"


class ArchivedTable(NamedTuple):
    """A table with the keys of its rows in the archive, and the name of its files."""

    model: type[models.Model]
    keys: list[Any]

    @property
    def page_path(self) -> str:
        return f"{TABLE_FOLDER}/{self.model._meta.db_table}.html"

    @property
    def json_path(self) -> str:
        return f"{TABLE_FOLDER}/{self.model._meta.db_table}.json"

    @property
    def title(self) -> str:
        table = audited_table(self.model)
        name = str(table._meta.verbose_name_plural)
        return capfirst(name) if table is self.model else f"Earlier versions of {name}"

    @property
    def row_count(self) -> int:
        return len(self.keys)

    def rows(self) -> Iterator[models.Model]:
        """Yield the rows in the order of their keys, which is that of time."""
        for start in range(0, len(self.keys), ROWS_AT_ONCE):
            chunk = self.keys[start : start + ROWS_AT_ONCE]
            yield from self.model._base_manager.filter(pk__in=chunk).order_by("pk")


class Archive:
    """Writes the zip file. Each method yields the bytes that are ready to be sent."""

    def __init__(self, person: Person, footprint: Footprint, by: User) -> None:
        self.person, self.by = person, by
        self.tables = [ArchivedTable(model, sorted(keys)) for model, keys in footprint.items() if keys]
        self.names: dict[tuple[type[models.Model], Any], str] = {}
        self.unreadable: list[str] = []
        self.buffer = OutputBuffer()
        self.zip = zipfile.ZipFile(self.buffer, "w", zipfile.ZIP_DEFLATED)

    def chunks(self) -> Iterator[bytes]:
        yield from self.write("index.html", [self.render("index", {})])
        for table in self.tables:
            yield from self.write(table.page_path, self.page(table))
            yield from self.write(table.json_path, self.json(table))
        for table in self.tables:
            yield from self.files(table)
        if self.unreadable:
            yield from self.write(UNREADABLE, self.unreadable)
        self.zip.close()
        yield self.buffer.take()

    def write(self, name: str, pieces: Iterable[str | bytes]) -> Iterator[bytes]:
        with self.zip.open(name, "w") as part:
            for piece in pieces:
                part.write(piece.encode() if isinstance(piece, str) else piece)
                if self.buffer.size >= CHUNK_SIZE:
                    yield self.buffer.take()
        yield self.buffer.take()

    def render(self, template: str, context: dict[str, Any]) -> str:
        shared = {"person": self.person, "tables": self.tables, "by": self.by, "at": timezone.now()}
        return loader.get_template(f"crm/privacy/archive_{template}.html").render({**shared, **context})

    def page(self, table: ArchivedTable) -> Iterator[str]:
        """Yield a page that shows each row as labels and values."""
        context = {"table": table, "index_path": "../index.html", "place_of_rows": PLACE_OF_ROWS}
        before, _, after = self.render("table", context).rpartition(PLACE_OF_ROWS)
        yield before
        columns = shown_columns(table.model)
        row_template = loader.get_template("crm/privacy/archive_row.html")
        for number, row in enumerate(table.rows(), start=1):
            values = [pair for field in columns for pair in self.labelled_values(field, row)]
            yield row_template.render({"number": number, "values": values})
        yield after

    def json(self, table: ArchivedTable) -> Iterator[str]:
        columns, separator = shown_columns(table.model), "[\n"
        for row in table.rows():
            values = {field.name: json_value(getattr(row, field.attname)) for field in columns}
            yield separator + json.dumps(values, cls=DjangoJSONEncoder, ensure_ascii=False)
            separator = ",\n"
        yield "\n]\n"

    def labelled_values(self, field: models.Field, row: models.Model) -> Iterator[tuple[str, str]]:
        """Yield the label and the text of each value in a column; nothing for an empty one."""
        value, label = getattr(row, field.attname), capfirst(str(field.verbose_name))
        if value in (None, "", [], {}):
            return
        if isinstance(value, dict | list):
            yield from flatten_value(value, label=label)
        else:
            yield label, self.text_of(field, value)

    def text_of(self, field: models.Field, value: Any) -> str:
        if field.related_model and field.related_model._meta.label_lower in WITHOUT_PERSONS:
            return self.name_of(field.related_model, value)
        if isinstance(value, bool):
            return "Yes" if value else "No"
        if isinstance(value, date):
            return format_moment(value) if isinstance(value, datetime) else format_day(value)
        return str(dict(field.flatchoices).get(value, json_value(value)))

    def name_of(self, model: type[models.Model], key: Any) -> str:
        """Return the name of a colleague, a stage, a line, an import or a mailbox; each is read once."""
        if (model, key) not in self.names:
            self.names[model, key] = str(model._base_manager.filter(pk=key).first() or key)
        return self.names[model, key]

    def files(self, table: ArchivedTable) -> Iterator[bytes]:
        """Write the files of the rows of `table`; list those that cannot be read with the reason."""
        reader = FILE_READERS.get(table.model)
        for row in table.rows() if reader else ():
            for number, (name, content) in enumerate(reader(row), start=1):
                if isinstance(content, str):
                    self.unreadable.append(f"{table.title}, {row.pk}: {name}. {content}\n")
                else:
                    yield from self.write(f"{FILE_FOLDER}/{row.pk}/{number} {plain_file_name(name)}", content)


def shown_columns(model: type[models.Model]) -> list[models.Field]:
    """Return the columns that the archive shows: no secrets, and nothing that is computed from other columns."""
    return [
        field
        for field in model._meta.concrete_fields
        if not field.generated and not isinstance(field, SearchVectorField) and field.name not in AUDIT_COLUMNS
        if column_name(model, field) not in SECRET_COLUMNS
    ]


def json_value(value: Any) -> Any:
    """Return `value` for JSON; bytes as the text that they are."""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else value


def plain_file_name(name: str) -> str:
    """Return `name` without what has a meaning in paths, and short enough for every file system."""
    plain = re.sub(r'[\x00-\x1f<>:"|?*\\/]', "-", PurePosixPath(name).name).strip(". ")
    stem, dot, extension = plain.rpartition(".")
    if len(plain) > MAX_FILE_NAME_LENGTH and dot and len(extension) < MAX_FILE_NAME_LENGTH // 2:
        return f"{stem[: MAX_FILE_NAME_LENGTH - len(extension)]}.{extension}"
    return plain[:MAX_FILE_NAME_LENGTH] or "file"
