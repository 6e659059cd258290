"""Seed a policy for each client that a won lead became: most are active, some have lapsed or were cancelled."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk, weighted_choice

# The terms follow each other from the conversion on; a lapsed policy is that of the last term before today's.
INSERT_POLICIES_SQL = """
INSERT INTO policies (id, created_at, updated_at, client_id, insurance_type_id, carrier, number, status, premium,
                      billing_period, effective_on, expires_on, lead_id, cancelled_on, cancellation_reason)
SELECT pg_temp.uuid7(converted_at, 'policy', n), converted_at, converted_at, client_id, line_id,
       pg_temp.pick(%(carriers)s, pg_temp.draw(n, 'carrier')), 'P' || lpad(n::text, 8, '0'), status,
       round((300 + 4700 * power(pg_temp.draw(n, 'premium'), 2))::numeric, 2),
       pg_temp.pick(%(periods)s, %(periods_shares)s, pg_temp.draw(n, 'billing')), effective_on,
       (effective_on + interval '1 year')::date, id,
       CASE WHEN status = 'CANCELLED'
            THEN least(effective_on + pg_temp.whole(20, 300, pg_temp.draw(n, 'cancelled')), %(now)s::date) END,
       CASE WHEN status = 'CANCELLED' THEN pg_temp.pick(%(reasons)s, pg_temp.draw(n, 'cancellation')) ELSE '' END
  FROM (
    SELECT seeded.*, (converted_at::date + make_interval(years => years - (status = 'LAPSED')::int))::date
                     AS effective_on
      FROM (
        SELECT seeded.*, extract(year FROM age(%(now)s::date, converted_at::date))::int AS years,
               CASE WHEN pg_temp.draw(n, 'policy status') < 0.06 THEN 'CANCELLED'
                    WHEN pg_temp.draw(n, 'policy status') < 0.16
                         AND converted_at < %(now)s - interval '1 year' THEN 'LAPSED'
                    ELSE 'ACTIVE' END AS status
          FROM (SELECT id, n, client_id, line_id, converted_at FROM seeded) AS seeded
         WHERE client_id IS NOT NULL AND line_id IS NOT NULL
        OFFSET 0
      ) AS seeded
  ) AS policy
"""
POLICY_PARAMETERS: dict[str, Any] = {
    **weighted_choice("periods", {"MONTHLY": 50, "ANNUAL": 25, "SEMIANNUAL": 15, "QUARTERLY": 10}),
    "carriers": [
        "Harbor Mutual",
        "Great Plains Casualty",
        "Northgate Insurance",
        "Buckeye Farmers",
        "Keystone Specialty",
        "Lakeshore Indemnity",
    ],
    "reasons": ["CLIENT_REQUEST", "NON_PAYMENT", "REPLACED", "RISK_GONE"],
}


def insert_policies(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert a policy for each client of `seeded`."""
    return chunk.run(cursor, INSERT_POLICIES_SQL, POLICY_PARAMETERS)
