"""What an import makes of the leads that its rows fit: the new value of each column, computed before any is written."""

from dataclasses import dataclass
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from crm.exceptions import IllegalTransition
from leads.importing.updates.policy import DuplicatePolicy

# In the expressions, `imported` is the row of the file, `leads` the lead, and `stage.moves` whether its stage moves.
TEXT_COLUMNS = ("company_name", "company_website", "notes")
NULLABLE_COLUMNS = ("assigned_to_id", "insurance_type_id", "estimated_value", "expected_close_date")
ANSWER_COLUMNS = ("auto_data", "home_data", "line_data")
OBJECT_COLUMNS = ("communications", "custom_fields", *ANSWER_COLUMNS)
# The tier follows the tier that a person chose.
DERIVED_COLUMNS = {"priority_tier": "tier_override"}
# Does the file say what the row's default does not?
SOURCE_TYPE_SQL = "nullif(imported.source_type, 'IMPORT')"
SOURCE_DETAIL_SQL = "nullif(nullif(imported.source_detail, ''), %(source_detail)s)"
SAME_DIGITS_SQL = (
    r"regexp_replace(imported.contact_phone, '\D', '', 'g') = regexp_replace(leads.contact_phone, '\D', '', 'g')"
)
# Closed leads are not opened again by a file, and a converted one keeps its stage.
STAGE_MOVES_SQL = """
    imported.has_stage AND imported.status_id <> leads.status_id AND leads.converted_at IS NULL
    AND (NOT imported.is_open OR leads.closed_at IS NULL)
"""
LOST_SQL = "CASE WHEN stage.moves THEN imported.status_id ELSE leads.status_id END = ANY(%(lost)s)"
# A refusal of contact stays, and one in the file counts, whatever the policy.
COMMUNICATIONS_SQL = """
    CASE WHEN imported.communications = '{}' THEN leads.communications ELSE leads.communications || (
        SELECT coalesce(jsonb_object_agg(channel, own || (said
                   - CASE WHEN own @> '{"do_not_contact": true}' THEN 'do_not_contact' ELSE '' END
                   - CASE WHEN own @> '{"consent": false}' THEN 'consent' ELSE '' END)), '{}')
          FROM jsonb_each(imported.communications) AS file (channel, said),
               coalesce(leads.communications -> channel, '{}') AS own
         WHERE jsonb_typeof(own) = 'object') END
"""
TAGS_SQL = """
    CASE WHEN imported.tags <@ leads.tags THEN leads.tags ELSE leads.tags || ARRAY(
        SELECT tag FROM unnest(imported.tags) WITH ORDINALITY AS file (tag, place)
         WHERE NOT lower_tags(ARRAY[tag::text]) <@ lower_tags(leads.tags::text[]) ORDER BY place) END
"""
CLOSED_AT_SQL = """
    CASE WHEN stage.moves AND NOT imported.is_open THEN coalesce(imported.closed_at, leads.closed_at, %(at)s)
         WHEN leads.closed_at IS NOT NULL AND imported.status_id = leads.status_id AND leads.converted_at IS NULL
              AND imported.closed_at::date <> leads.closed_at::date THEN imported.closed_at
         ELSE leads.closed_at END
"""
TIER_SQL = "coalesce(leads.tier_override, imported.tier_override)"


def update_expressions() -> dict[str, str]:
    """Return the new value of each column where the file wins."""
    return {
        "contact_name": "CASE WHEN imported.is_named THEN imported.contact_name ELSE leads.contact_name END",
        "contact_email": (
            "CASE WHEN lower(imported.contact_email) IN ('', lower(leads.contact_email)) "
            "THEN leads.contact_email ELSE imported.contact_email END"
        ),
        "contact_phone": (
            f"CASE WHEN imported.contact_phone = '' OR {SAME_DIGITS_SQL} "
            "THEN leads.contact_phone ELSE imported.contact_phone END"
        ),
        **{name: f"coalesce(nullif(imported.{name}, ''), leads.{name})" for name in TEXT_COLUMNS},
        **{name: f"coalesce(imported.{name}, leads.{name})" for name in NULLABLE_COLUMNS},
        "client_type": "CASE WHEN imported.has_type THEN imported.client_type ELSE leads.client_type END",
        "source_type": f"coalesce({SOURCE_TYPE_SQL}, leads.source_type)",
        "source_detail": f"coalesce({SOURCE_DETAIL_SQL}, leads.source_detail)",
        "status_id": "CASE WHEN stage.moves THEN imported.status_id ELSE leads.status_id END",
        "closed_at": CLOSED_AT_SQL,
        "created_at": (
            "CASE WHEN imported.created_at <= coalesce(leads.closed_at, %(at)s) "
            "THEN imported.created_at ELSE leads.created_at END"
        ),
        **{name: loss_expression(f"nullif(imported.{name}, '')", f"leads.{name}") for name in LOSS_COLUMNS},
        "custom_fields": "leads.custom_fields || imported.custom_fields",
        **shared_expressions(),
    }


def fill_expressions() -> dict[str, str]:
    """Return the new value of each column where only empty ones are filled."""
    texts = ("contact_email", "contact_phone", *TEXT_COLUMNS)
    return {
        **{name: f"coalesce(nullif(leads.{name}, ''), imported.{name})" for name in texts},
        **{name: f"coalesce(leads.{name}, imported.{name})" for name in NULLABLE_COLUMNS},
        "source_detail": f"coalesce(nullif(leads.source_detail, ''), {SOURCE_DETAIL_SQL}, '')",
        **{name: loss_expression(f"nullif(leads.{name}, '')", f"imported.{name}") for name in LOSS_COLUMNS},
        "custom_fields": "imported.custom_fields || leads.custom_fields",
        **shared_expressions(),
    }


LOSS_COLUMNS = ("loss_reason", "loss_notes")


def loss_expression(first: str, second: str) -> str:
    """Return the reason or the notes of a loss: of a lost lead the first that is filled; of another its own."""
    own = (first if first.startswith("nullif(leads") else second).removeprefix("nullif(").removesuffix(", '')")
    return f"CASE WHEN {LOST_SQL} THEN coalesce({first}, {second}) WHEN stage.moves THEN '' ELSE {own} END"


def shared_expressions() -> dict[str, str]:
    return {
        "communications": COMMUNICATIONS_SQL,
        "tags": TAGS_SQL,
        # A tier that a person chose stays.
        "tier_override": TIER_SQL,
        "priority_tier": f"coalesce({TIER_SQL}, leads.priority_tier)",
    }


def answer_expressions(policy: DuplicatePolicy) -> dict[str, str]:
    """Return the new answers to the questions of lines: answers of the file win, or fill what is not answered."""

    def united(own: str, file: str) -> str:
        own, file = f"coalesce({own}, '{{}}')", f"coalesce({file}, '{{}}')"
        return f"{own} || {file}" if policy == DuplicatePolicy.UPDATE else f"{file} || {own}"

    others = f"""
        CASE WHEN imported.line_answers IS NULL THEN leads.line_data ELSE leads.line_data || (
            SELECT coalesce(jsonb_object_agg(line, {united("leads.line_data -> line", "answers")}), '{{}}')
              FROM jsonb_each(imported.line_answers - 'auto' - 'home') AS file (line, answers)) END
    """
    return {
        "auto_data": united("leads.auto_data", "imported.line_answers -> 'auto'"),
        "home_data": united("leads.home_data", "imported.line_answers -> 'home'"),
        "line_data": others,
    }


EXPRESSIONS = {DuplicatePolicy.UPDATE: update_expressions(), DuplicatePolicy.FILL: fill_expressions()}
STAGE_SQL = {DuplicatePolicy.UPDATE: STAGE_MOVES_SQL, DuplicatePolicy.FILL: "false"}


def change_expression(column: str) -> str:
    """Return the entry of `ImportChange.changes` for one column, or an empty object."""
    if column == "tags":
        entry = "(SELECT jsonb_agg(tag) FROM unnest(new.tags) AS tag WHERE NOT tag = ANY(leads.tags))"
    elif column in OBJECT_COLUMNS:
        entry = (
            f"(SELECT jsonb_object_agg(key, jsonb_build_array(leads.{column} -> key, value)) "
            f"FROM jsonb_each(new.{column}) WHERE value IS DISTINCT FROM leads.{column} -> key)"
        )
    else:
        entry = f"jsonb_build_array(leads.{column}, new.{column})"
    return (
        f"CASE WHEN new.{column} IS DISTINCT FROM leads.{column} THEN jsonb_build_object('{column}', {entry}) "
        "ELSE '{}' END"
    )


# OFFSET 0 keeps PostgreSQL from computing each value twice.
CREATE_UPDATES_SQL = """
    DROP TABLE IF EXISTS pg_temp.imported_updates;
    CREATE TEMPORARY TABLE imported_updates ON COMMIT DROP AS
    SELECT number, imported.line, imported.id AS log_id, leads.id AS lead_id, leads.updated_at, new.*,
           {changes} AS changes
      FROM imported_targets JOIN imported_rows AS imported USING (number)
      JOIN leads ON leads.id = imported_targets.lead_id
     CROSS JOIN LATERAL (SELECT {moves} AS moves) AS stage
     CROSS JOIN LATERAL (SELECT {values} OFFSET 0) AS new
     WHERE fate = 'update' AND leads.deleted_at IS NULL AND ({new}) IS DISTINCT FROM ({old});
    ALTER TABLE imported_updates ADD PRIMARY KEY (number);
    ANALYZE imported_updates
"""
# An address that another open lead has, or gets from this file, stays away: two open leads cannot share it.
KEEP_ADDRESSES_SQL = """
    UPDATE imported_updates AS planned
       SET contact_email = leads.contact_email, changes = changes - 'contact_email'
      FROM leads
     WHERE leads.id = planned.lead_id AND leads.closed_at IS NULL AND planned.number IN (
        SELECT number FROM imported_updates AS own JOIN leads AS other
               ON lower(other.contact_email) = lower(own.contact_email) AND other.contact_email <> ''
         WHERE changes ? 'contact_email' AND other.id <> own.lead_id
           AND other.deleted_at IS NULL AND other.closed_at IS NULL
        UNION ALL
        SELECT number FROM (
            SELECT number, row_number() OVER (PARTITION BY lower(contact_email) ORDER BY number) AS place
              FROM imported_updates WHERE changes ? 'contact_email') AS own WHERE place > 1
        UNION ALL
        SELECT own.number FROM imported_updates AS own JOIN imported_rows AS new
               ON lower(new.contact_email) = lower(own.contact_email) AND new.is_open
         WHERE changes ? 'contact_email'
           AND NOT EXISTS (SELECT FROM imported_duplicates AS known WHERE known.number = new.number))
"""
DELETE_EMPTY_SQL = "DELETE FROM imported_updates WHERE changes = '{}'"
LOCK_LEADS_SQL = """
    SELECT count(*) FROM (
        SELECT leads.updated_at AS now, planned.updated_at AS then
          FROM leads JOIN imported_updates AS planned ON planned.lead_id = leads.id
         ORDER BY leads.id FOR NO KEY UPDATE OF leads) AS locked
     WHERE locked.now <> locked.then
"""
MAX_PLANS = 5


def count_kept_sql(moves: str) -> str:
    """Return SQL that counts the leads that keep a stage or a refusal of contact that differs from the file."""
    return f"""
        SELECT count(*) FILTER (WHERE imported.has_stage AND imported.status_id <> leads.status_id AND NOT ({moves})),
               count(*) FILTER (WHERE NOT ({COMMUNICATIONS_SQL} @> imported.communications))
          FROM imported_targets JOIN imported_rows AS imported USING (number)
          JOIN leads ON leads.id = imported_targets.lead_id WHERE fate = 'update'
    """


@dataclass(frozen=True)
class UpdatePlan:
    """How many leads an import changes, and sentences about what it leaves as it is."""

    changed: int
    notices: tuple[str, ...]


class UpdatePlanner:
    """Plan the changes of the leads that the rows of a file fit, in the table `imported_updates`."""

    def __init__(
        self,
        cursor: CursorWrapper,
        policy: DuplicatePolicy,
        *,
        at: datetime,
        source_detail: str,
        lost: list[str],
        has_answers: bool = False,
    ) -> None:
        self.cursor, self.policy = cursor, policy
        self.values = {"at": at, "source_detail": source_detail, "lost": lost}
        self.expressions = EXPRESSIONS.get(policy, {}) | (answer_expressions(policy) if has_answers else {})

    def plan(self) -> UpdatePlan:
        """Compute all changes, without writing any."""
        columns = list(self.expressions)
        sql = CREATE_UPDATES_SQL.format(
            changes=" || ".join(change_expression(name) for name in columns if name not in DERIVED_COLUMNS),
            moves=STAGE_SQL[self.policy],
            values=", ".join(f"{expression} AS {name}" for name, expression in self.expressions.items()),
            new=", ".join(f"new.{name}" for name in columns),
            old=", ".join(f"leads.{name}" for name in columns),
        )
        self.cursor.execute(sql, self.values)
        self.cursor.execute(KEEP_ADDRESSES_SQL)
        kept_addresses = self.cursor.rowcount
        self.cursor.execute(DELETE_EMPTY_SQL)
        self.cursor.execute("SELECT count(*) FROM imported_updates")
        (changed,) = self.cursor.fetchone()
        return UpdatePlan(changed, (*self.kept_notices(), *address_notice(kept_addresses)))

    def lock(self, plan: UpdatePlan) -> UpdatePlan:
        """Lock the leads, and plan again while a lead was changed since. What is locked stays as it is.

        Raises:
            IllegalTransition: other people keep changing the leads.
        """
        for _ in range(MAX_PLANS):
            self.cursor.execute(LOCK_LEADS_SQL)
            if self.cursor.fetchone() == (0,):
                return plan
            plan = self.plan()
        raise IllegalTransition(
            "Nothing was imported, because the leads were changed again and again meanwhile. Import the file again."
        )

    def kept_notices(self) -> tuple[str, ...]:
        self.cursor.execute(count_kept_sql(STAGE_SQL[self.policy]), self.values)
        stages, refusals = self.cursor.fetchone()
        why = "a file does not open closed leads again, nor change the stage of clients"
        if self.policy == DuplicatePolicy.FILL:
            why = "only empty fields are filled"
        return (
            *notice(stages, "keeps its stage, which differs from the file", f"{why}."),
            *notice(refusals, "refuses contact although the file allows it", "a refusal stays."),
        )


def address_notice(count: int) -> tuple[str, ...]:
    return notice(count, "keeps its address", "another open lead has that of the file.")


def notice(count: int, what: str, why: str) -> tuple[str, ...]:
    """Return the sentence about `count` leads that keep something; none for 0. `what` begins with a verb."""
    if not count:
        return ()
    if count == 1:
        return (f"1 lead {what}: {why}",)
    verb, rest = what.split(" ", 1)
    return (f"{count:,} leads {verb.removesuffix('s')} {rest.replace('its ', 'their ')}: {why}",)
