"""Seed contacts as stakeholders of leads, and as contacts of the clients that the leads became."""

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk
from demo.seeding.vocabulary import PEOPLE_PARAMETERS

# The first contact is the person of the lead; a company has up to two more.
CONTACTS_TABLE_SQL = """
CREATE TEMP TABLE seeded_contacts ON COMMIT DROP AS
SELECT lead.id AS lead_id, lead.client_id, lead.is_firm, lead.created_at, i,
       pg_temp.uuid7(lead.created_at, 'contact', n * 4 + i) AS id, lead.n * 4 + i AS n,
       CASE WHEN i = 0 THEN lead.name
            ELSE pg_temp.pick(%(first_names)s, pg_temp.draw(n * 4 + i, 'contact first')) || ' '
              || pg_temp.pick(%(last_names)s, pg_temp.draw(n * 4 + i, 'contact last')) END AS name,
       CASE WHEN i = 0 THEN lead.email ELSE '' END AS email,
       CASE WHEN i = 0 THEN lead.phone ELSE '' END AS phone
  FROM seeded AS lead
 CROSS JOIN generate_series(0, CASE WHEN is_firm THEN pg_temp.whole(0, 2, pg_temp.draw(n, 'say')) ELSE 0 END)
       AS i
 WHERE pg_temp.draw(n, 'contacts') < %(contacts)s
"""
INSERT_CONTACTS_SQL = """
INSERT INTO contacts (id, created_at, updated_at, name, email, phone, title)
SELECT id, created_at, created_at, name,
       CASE WHEN i = 0 THEN email
            ELSE lower(translate(name, ' ''', '.')) || '.' || n / 4 || pg_temp.pick('{.b,.c}', (i - 1) / 2.0)
              || '@example.com' END,
       phone, CASE WHEN is_firm THEN pg_temp.pick(%(titles)s, pg_temp.draw(n, 'title')) ELSE '' END
  FROM seeded_contacts
"""
INSERT_LINKS_SQL = """
INSERT INTO {table} (id, created_at, updated_at, contact_id, {owner}, role, is_primary)
SELECT pg_temp.uuid7(created_at, '{table}', n), created_at, created_at, id, {owner},
       CASE WHEN i = 0 THEN 'primary' ELSE pg_temp.pick(%(roles)s, pg_temp.draw(n, 'role')) END, i = 0
  FROM seeded_contacts WHERE {owner} IS NOT NULL
"""
CONTACT_PARAMETERS = {
    **PEOPLE_PARAMETERS,
    "roles": ["decision_maker", "decision_maker", "influencer", "technical", "financial", "end_user", "other"],
    "titles": ["Owner", "Owner", "Office manager", "Bookkeeper", "Partner", "Operations lead", "Treasurer"],
}


def insert_contacts(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert contacts with their links for a share of `seeded`. Return the number of contacts."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.seeded_contacts")
    chunk.run(cursor, CONTACTS_TABLE_SQL, CONTACT_PARAMETERS)
    contact_count = chunk.run(cursor, INSERT_CONTACTS_SQL, CONTACT_PARAMETERS)
    chunk.run(cursor, INSERT_LINKS_SQL.format(table="contact_leads", owner="lead_id"), CONTACT_PARAMETERS)
    chunk.run(cursor, INSERT_LINKS_SQL.format(table="contact_clients", owner="client_id"), CONTACT_PARAMETERS)
    return contact_count
