"""Notes and other activities as a table of an import: lines on the timelines of clients, leads and contacts."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.backends.utils import CursorWrapper

from crm.exceptions import NotPermitted
from crm.models import ActivityLog, ActorType, User
from crm.records.activity import Actor
from crm.records.local_time import agency_today
from crm.records.references import allow_changes
from crm.records.transitions import MAX_TIMELINE_NOTE_LENGTH, permission_name
from leads.importing.cells import CellParser, EmailParser, LineParser, parse_long_text
from leads.importing.columns import ImportPlan
from leads.importing.drafts import RowDraft
from leads.importing.exceptions import InvalidCell, RowRejected
from leads.importing.staging import NEW_ROWS_SQL
from leads.importing.tables.base import ImportTable, RowRules, SkippedRow
from leads.importing.tables.fields import TableFields
from leads.importing.tables.headers import NOTE_AMBIGUOUS, NOTE_KEYS, NOTE_SIGNS, NOTE_SYNONYMS
from leads.importing.tables.matching import DuplicateRules, FileRule, RecordRule
from leads.importing.tables.references import CLIENT, CONTACT, LEAD, Reference, resolve_references
from leads.importing.tables.staged import StagedImport
from leads.importing.tables.statements import insert_imported
from leads.importing.values.dates import MomentParser, as_moment, date_order_of_column, local_day
from leads.importing.values.parsers import UNDECIDED, ImportContext, Notation
from leads.models import ImportBatch, ImportedTable

# A note with an address or a name alone is about the first of these that has it.
REFERENCES = (CLIENT, LEAD, CONTACT)
REFERENCE_FIELDS = tuple(column for reference in REFERENCES for column in reference.columns)
TEXT_FIELDS = ("subject", "kind", "author", "email", "name")
STAGED_COLUMNS = {
    **dict.fromkeys((*REFERENCE_FIELDS, *TEXT_FIELDS, "about_type"), "text"),
    **dict.fromkeys(("client_id", "lead_id", "contact_id", "about_id"), "uuid"),
    "custom_fields": "jsonb",
}
# What the timeline of a note calls a note.
PLAIN_KINDS = frozenset({"", "note", "notes", "notiz", "nota", "remarque", "notitie", "notatka", "comment"})
NOTE_DUPLICATES = DuplicateRules(
    ImportedTable.NOTES,
    ActivityLog,
    records=(
        RecordRule(
            "note",
            2,
            "existing.about_type = imported.about_type AND existing.about_id = imported.about_id "
            "AND existing.occurred_at = imported.occurred_at AND existing.verb = 'noted' "
            "AND existing.summary = imported.summary",
            "left(imported.summary, 60)",
        ),
    ),
    file=(
        FileRule(
            "note", 2, "about_id, occurred_at, md5(summary)", "left(summary, 60)", "occurred_at IS NOT NULL", "true"
        ),
    ),
    key="",
    live="true",
    former_line="log.verb = 'noted'",
    former_record="log.id",
)
# Columns without a field stand below the text: a note has no custom fields.
COMPLETE_NOTES_SQL = """
    UPDATE imported_rows SET about_id = coalesce(client_id, lead_id, contact_id),
           about_type = CASE WHEN client_id IS NOT NULL THEN 'crm.client' WHEN lead_id IS NOT NULL THEN 'leads.lead'
                             ELSE 'crm.contact' END,
           summary = summary || coalesce((SELECT string_agg(E'\\n' || key || ': ' || value, '' ORDER BY key)
                                            FROM jsonb_each_text(custom_fields) WHERE key <> %(key)s), '')
"""
INSERT_NOTES_SQL = f"""
    INSERT INTO activity_logs (id, actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT id, CASE WHEN author = '' THEN %(actor_type)s ELSE 'user' END,
           CASE WHEN author = '' THEN %(user)s ELSE actor_id END, 'noted', summary, about_type, about_id,
           about_type, about_id,
           %(metadata)s::jsonb || jsonb_build_object('line', line)
           || CASE WHEN author = '' THEN '{{}}' ELSE jsonb_build_object('name', author) END
           || CASE WHEN record_key = '' THEN '{{}}' ELSE jsonb_build_object('key', record_key) END,
           coalesce(occurred_at, %(at)s), %(at)s {NEW_ROWS_SQL}
"""
# A note is activity, not contact.
UPDATE_ACTIVITY_SQL = """
    UPDATE leads SET last_activity_at = latest, updated_at = %(at)s
      FROM (SELECT log.about_id, max(log.occurred_at) AS latest
              FROM imported_records AS made JOIN activity_logs AS log ON log.id = made.record_id
             WHERE made.batch_id = %(batch)s AND log.about_type = 'leads.lead' GROUP BY log.about_id) AS noted
     WHERE leads.id = noted.about_id AND (last_activity_at IS NULL OR last_activity_at < latest)
"""
COLLECT_NOTES_SQL = """
    DROP TABLE IF EXISTS pg_temp.undone_notes;
    CREATE TEMPORARY TABLE undone_notes ON COMMIT DROP AS
    SELECT log.id, log.about_type, log.about_id, log.occurred_at
      FROM imported_records AS made JOIN activity_logs AS log ON log.id = made.record_id
     WHERE made.batch_id = %(batch)s AND made.record_type = 'crm.activitylog'
"""
DELETE_NOTES_SQL = "DELETE FROM activity_logs USING undone_notes WHERE activity_logs.id = undone_notes.id"
FORGET_NOTES_SQL = "DELETE FROM imported_records WHERE batch_id = %(batch)s"
# The last activity is what it was without the notes.
RESTORE_ACTIVITY_SQL = """
    UPDATE leads SET updated_at = now(), last_activity_at = greatest(
           (SELECT max(log.occurred_at) FROM activity_logs AS log
             WHERE log.about_type = 'leads.lead' AND log.about_id = leads.id), last_contact_at, leads.created_at)
      FROM (SELECT about_id, max(occurred_at) AS latest FROM undone_notes
             WHERE about_type = 'leads.lead' GROUP BY about_id) AS noted
     WHERE leads.id = noted.about_id AND last_activity_at = latest
"""


class NoteRules(RowRules):
    """Complete the notes of one import."""

    def __init__(self, plan: ImportPlan, context: ImportContext) -> None:
        super().__init__(plan, context)
        self.today = agency_today()
        self.undated = 0

    def complete(self, draft: RowDraft) -> None:
        self.write_text(draft)
        self.name_the_record(draft)
        self.date_the_note(draft)
        if author := draft.get("author"):
            draft.set("actor", self.user_named(author))

    def write_text(self, draft: RowDraft) -> None:
        """Put kind, subject and text together."""
        subject, text, kind = (draft.get(name).strip() for name in ("subject", "summary", "kind"))
        parts = [subject] if subject and not text.startswith(subject) else []
        body = "\n".join([*parts, *([text] if text else [])])
        if not body:
            raise RowRejected("The note has no text.")
        summary = body if kind.casefold() in PLAIN_KINDS else f"{kind}: {body}"
        if len(summary) > MAX_TIMELINE_NOTE_LENGTH:
            raise RowRejected(
                f"The note has {len(summary):,} characters; at most {MAX_TIMELINE_NOTE_LENGTH:,} fit a timeline.",
                "The note is too long for a timeline.",
            )
        draft.set("summary", summary)

    @staticmethod
    def name_the_record(draft: RowDraft) -> None:
        """Let an address or a name without a table stand for each of those that the row may be about."""
        named = [one.name for one in REFERENCES if any(draft.get(column) for column in one.columns)]
        for part in ("email", "name"):
            for name in named or [one.name for one in REFERENCES]:
                if draft.get(part) and not draft.get(f"{name}_{part}"):
                    draft.set(f"{name}_{part}", draft.get(part))
        if not any(draft.get(column) for column in REFERENCE_FIELDS):
            raise RowRejected("The row names no client, lead or contact.")

    def date_the_note(self, draft: RowDraft) -> None:
        moment = draft.get("occurred_at")
        if moment and local_day(moment) > self.today:
            draft.withdraw("occurred_at", self.label("occurred_at"), "is in the future")
            moment = None
        self.undated += moment is None
        draft.set("occurred_at", as_moment(moment) if moment else None)

    def user_named(self, author: str) -> Any:
        """Return the key of the user with this name; None if the author is no user."""
        try:
            return self.context.owner(author)
        except InvalidCell:
            return None

    def notices(self) -> tuple[str, ...]:
        if not self.undated:
            return ()
        rows = "1 note has" if self.undated == 1 else f"{self.undated:,} notes have"
        return (f"{rows} no date, or one in the future, so the moment of the import counts.",)


class NoteTable(ImportTable):
    """Rows that become notes."""

    name = ImportedTable.NOTES
    model = ActivityLog
    fields = TableFields(
        noun="note",
        fields=("summary", "subject", "occurred_at", "author", "kind", *REFERENCE_FIELDS, "email", "name"),
        synonyms=NOTE_SYNONYMS,
        ambiguous=NOTE_AMBIGUOUS,
        keys=NOTE_KEYS,
        required="the text of a note",
        full_name="",
        identifying=frozenset({"summary", "subject"}),
        alike=frozenset({"email"}),
        free_text=frozenset({"summary", "subject", "name", "client_name", "lead_name", "contact_name"}),
        repeated=frozenset({"author", "kind"}),
        labels={
            "summary": "Text",
            "occurred_at": "Date",
            "email": "Address of the client, lead or contact",
            "name": "Name of the client, lead or contact",
            **{
                f"{one.name}_{part}": f"{one.name.capitalize()}: {words}"
                for one in REFERENCES
                for part, words in (("key", "identifier"), ("email", "address"), ("name", "name"))
            },
        },
    )
    columns = ("id", "summary", "occurred_at", "actor", *STAGED_COLUMNS)
    staged = STAGED_COLUMNS
    rules = NoteRules
    duplicates = NOTE_DUPLICATES
    signs = NOTE_SIGNS
    templates = {"author": "Author", "kind": "Kind"}
    example = "concat_ws(' · ', left(summary, 120), coalesce(nullif(email, ''), nullif(name, '')), nullif(author, ''))"
    insert_statements = (INSERT_NOTES_SQL, insert_imported(ActivityLog))
    statements_after = (UPDATE_ACTIVITY_SQL,)

    def may_import(self, user: User) -> bool:
        return bool(self.references_of(user))

    def require_permission(self, actor: Actor) -> None:
        if actor.type != ActorType.SYSTEM and not self.references_of(actor.user or AnonymousUser()):
            raise NotPermitted(f"{actor} may not import notes.")

    @staticmethod
    def references_of(user: Any) -> list[Reference]:
        """Return what `user` may write a note on; the program (None) may write on all."""
        return [one for one in REFERENCES if user is None or user.has_perm(permission_name(one.model, "change"))]

    def default_values(self, source_detail: str) -> list[Any]:
        values = super().default_values(source_detail)
        for name in (*REFERENCE_FIELDS, *TEXT_FIELDS):
            values[self.index[name]] = ""
        for name in ("id", "occurred_at"):
            values[self.index[name]] = None
        return values

    def parser(self, name: str, context: ImportContext, texts: list[str], notation: Notation = UNDECIDED) -> CellParser:
        if name == "occurred_at":
            return MomentParser(notation.dates or date_order_of_column(texts))
        if name in ("summary", "subject"):
            return parse_long_text
        return EmailParser(254) if name.endswith("email") else LineParser(200)

    def resolve(self, staged: StagedImport) -> Iterator[SkippedRow]:
        yield from resolve_references(staged, self.references_of(staged.user), is_one_enough=True)
        staged.cursor.execute(COMPLETE_NOTES_SQL, {"key": staged.key})

    def undo(self, cursor: CursorWrapper, batch: ImportBatch) -> int:
        cursor.execute(COLLECT_NOTES_SQL, {"batch": batch.pk})
        with allow_changes({ActivityLog}):
            cursor.execute(DELETE_NOTES_SQL)
        deleted = cursor.rowcount
        cursor.execute(RESTORE_ACTIVITY_SQL)
        cursor.execute(FORGET_NOTES_SQL, {"batch": batch.pk})
        return deleted


NOTES = NoteTable()
