"""The lines on timelines about policies that an import moves to another status."""

INSERT_MOVE_LINES_SQL = """
    INSERT INTO activity_logs (actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT %(actor_type)s, %(user)s, 'moved',
           format('%%s: %%s → %%s', concat_ws(' · ', line.name, nullif(carrier, ''), nullif(policies.number, '')),
                  lower({was}), lower({now})),
           'leads.policy', policies.id, 'crm.client', client_id,
           %(metadata)s::jsonb || jsonb_build_object('was', {was}, 'now', {now}), %(at)s, %(at)s
      FROM policies JOIN insurance_types AS line ON line.id = insurance_type_id {rows}
"""


def insert_move_lines(was: str, now: str, rows: str) -> str:
    """Return the statement that writes a line for each policy among `rows`, the end of the statement.

    `was` and `now` are expressions for its status before and after.
    """
    return INSERT_MOVE_LINES_SQL.format(was=was, now=now, rows=rows)
