"""The links that an import adds to a record that existed, such as a further client of a contact. Pure: no database.

`ImportChange.changes` lists under the name of a link the keys of the records that it was added to. The link has the
time of the import, so undoing finds it, and one that people have changed since stays.
"""

from dataclasses import dataclass

# In these statements, `existing` is the record, and `planned` its row of `imported_updates`.
NAMED_SQL = """
    SELECT DISTINCT ON (said.{other}) said.{other} AS other_id, said.id, said.role, said.is_primary
      FROM imported_targets AS target JOIN imported_rows AS said USING (number)
     WHERE target.record_id = {record} AND target.fate IN ('update', 'repeated')
       AND EXISTS (SELECT FROM {others} AS other WHERE other.id = said.{other})
       AND NOT EXISTS (SELECT FROM {table} AS link WHERE link.{own} = {record} AND link.{other} = said.{other}
                          AND link.deleted_at IS NULL)
     ORDER BY said.{other}, number
"""
ADDED_SQL = """
    coalesce((SELECT jsonb_build_object('{name}', jsonb_agg(named.other_id)) FROM ({named}) AS named
              HAVING count(*) > 0), '{{}}')
"""
INSERT_SQL = """
    INSERT INTO {table} (id, {own}, {other}, role, is_primary, created_at, updated_at)
    SELECT named.id, planned.record_id, named.other_id, named.role, named.is_primary, %(at)s, %(at)s
      FROM imported_updates AS planned CROSS JOIN LATERAL ({named}) AS named
     WHERE planned.changes ? '{name}' AND planned.number > %(after)s AND planned.number <= %(upto)s
"""
# The links that are left of those that were added: as they were, or changed by people.
REMAINING_SQL = """
    SELECT coalesce(jsonb_agg(link.{other}) FILTER (WHERE link.updated_at = link.created_at), '[]') AS own,
           coalesce(jsonb_agg(link.{other}) FILTER (WHERE link.updated_at <> link.created_at), '[]') AS changed
      FROM {table} AS link
     WHERE link.{own} = existing.id AND changes -> '{name}' ? link.{other}::text
       AND link.created_at = %(imported_at)s AND link.deleted_at IS NULL
"""
DELETE_SQL = """
    DELETE FROM {table} AS link USING undone_changes AS undone
     WHERE link.{own} = undone.record_id AND undone.fields -> '{name}' ? link.{other}::text
       AND link.created_at = %(imported_at)s AND link.updated_at = link.created_at AND link.deleted_at IS NULL
"""


@dataclass(frozen=True)
class AddedLink:
    """Links of `table` between the record (column `own`) and a record of the table `others` (column `other`).

    A row of the file names the other record in a column called like `other`. `model` is the label of its model.
    """

    name: str
    model: str
    table: str
    own: str
    other: str
    others: str

    def fill(self, statement: str, record: str = "existing.id") -> str:
        named = NAMED_SQL.format(**vars(self), record=record)
        return statement.format(**vars(self), named=named)

    @property
    def added(self) -> str:
        """SQL for the entry in the changes of a record, or an empty object."""
        return self.fill(ADDED_SQL)

    @property
    def insert(self) -> str:
        return self.fill(INSERT_SQL, "planned.record_id")

    @property
    def remaining(self) -> str:
        return self.fill(REMAINING_SQL)

    @property
    def delete(self) -> str:
        return self.fill(DELETE_SQL)
