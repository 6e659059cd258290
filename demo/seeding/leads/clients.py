"""Seed the clients that won leads became, and a first project for some of them."""

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk

INSERT_CLIENTS_SQL = """
INSERT INTO clients (id, created_at, updated_at, client_type, name, email, phone, address, assigned_to_id,
                     tags, custom_fields)
SELECT client_id, converted_at, converted_at, CASE WHEN is_firm THEN 'Business' ELSE 'Individual' END,
       CASE WHEN is_firm THEN company ELSE name END, email, phone,
       jsonb_build_object('street', street, 'city', split_part(town, '|', 1), 'state', split_part(town, '|', 2),
                          'zip', split_part(town, '|', 3), 'country', 'US'),
       owner_id,
       CASE WHEN pg_temp.draw(n, 'client tag') < 0.3
            THEN ARRAY[pg_temp.pick('{vip,bundle,multi-policy,paperless}', pg_temp.draw(n, 'client tags'))]
            ELSE '{}' END,
       jsonb_build_object('policies', pg_temp.whole(1, 4, power(pg_temp.draw(n, 'policies'), 2)))
  FROM seeded WHERE client_id IS NOT NULL
"""
INSERT_PROJECTS_SQL = """
INSERT INTO projects (id, created_at, updated_at, client_id, name, status)
SELECT pg_temp.uuid7(converted_at, 'project', n), converted_at, converted_at, client_id,
       pg_temp.pick('{Onboarding,Policy review,Annual renewal,Claims history,Certificate set-up}',
                    pg_temp.draw(n, 'project')),
       CASE WHEN converted_at > %(now)s - interval '60 days' THEN 'ONBOARDING'
            ELSE pg_temp.pick('{ACTIVE,ACTIVE,ON_HOLD,COMPLETED,COMPLETED,COMPLETED}',
                              pg_temp.draw(n, 'project status')) END
  FROM seeded WHERE client_id IS NOT NULL AND pg_temp.draw(n, 'has project') < 0.2
"""


def insert_clients(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert the clients that leads of `seeded` were converted to."""
    return chunk.run(cursor, INSERT_CLIENTS_SQL)


def insert_projects(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert a first project for one client in five."""
    return chunk.run(cursor, INSERT_PROJECTS_SQL)
