"""The temporary table `seeded` with one row for each lead: its person, dates, stage, signals and score."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg.types.json import Jsonb

from crm.models import User
from demo.seeding.draws import Chunk, weighted_choice
from demo.seeding.leads.signals import SIGNAL_PARAMETERS, SIGNALS_SQL
from demo.seeding.vocabulary import FIRM_PARAMETERS, PEOPLE_PARAMETERS, PLACE_PARAMETERS
from leads.models import ScoringPolicy

# In order of creation, as in a real database. There are more new leads than old ones, because the agency grows.
NEW_LEADS_SQL = """
    SELECT n, (n - %(start)s)::float8 / %(total)s AS progress,
           %(now)s::timestamptz - interval '3 years'
             * power(1 - (n - %(start)s + pg_temp.draw(n, 'arrival')) / %(total)s, 1.6) AS created_at,
           pg_temp.pick(%(lines)s, %(lines_shares)s, pg_temp.draw(n, 'line')) AS line_code,
           pg_temp.pick(%(first_names)s, pg_temp.draw(n, 'first name')) AS first_name,
           pg_temp.pick(%(last_names)s, pg_temp.draw(n, 'last name')) AS last_name,
           pg_temp.pick(%(towns)s, pg_temp.draw(n, 'town')) AS town,
           CASE WHEN pg_temp.draw(n, 'owned') < 0.9
                THEN pg_temp.pick(%(owners)s, pg_temp.draw(n, 'owner')) END AS owner
      FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""
# 30 % of the oldest leads are still open, 80 % of the newest.
STAGED_SQL = """
    SELECT new_leads.*, line_id, coalesce(is_commercial, false) AS is_firm,
           CASE WHEN pg_temp.draw(n, 'open') >= 0.3 + progress / 2
                THEN pg_temp.pick(%(ends)s, %(ends_shares)s, pg_temp.draw(n, 'stage'))
                WHEN created_at > %(now)s - interval '45 days'
                THEN pg_temp.pick(%(fresh)s, %(fresh_shares)s, pg_temp.draw(n, 'stage'))
                ELSE pg_temp.pick(%(stages)s, %(stages_shares)s, pg_temp.draw(n, 'stage'))
           END AS status_id
      FROM new_leads
      LEFT JOIN (SELECT id AS line_id, code, is_commercial FROM insurance_types) AS line ON code = line_code
"""
CLOSED_SQL = """
    SELECT staged.*, category IN ('open', 'paused') AS is_open,
           CASE WHEN category NOT IN ('open', 'paused')
                THEN created_at + (0.03 + 0.96 * power(pg_temp.draw(n, 'closing'), 2))
                       * least(%(now)s - created_at, interval '200 days') END AS closed_at
      FROM staged JOIN (SELECT code, category FROM lead_statuses) AS stage ON code = status_id
"""
CONTACTED_SQL = """
    SELECT closed.*,
           CASE WHEN NOT is_open
                THEN closed_at - (closed_at - created_at) * 0.3 * pg_temp.draw(n, 'contact')
                WHEN status_id = 'NEW_OPPORTUNITIES' AND pg_temp.draw(n, 'contacted') < 0.35 THEN NULL
                WHEN created_at > %(now)s - interval '40 days' OR pg_temp.draw(n, 'silent') < 0.7
                THEN %(now)s - pg_temp.draw(n, 'contact') * least(%(now)s - created_at, interval '29 days')
                ELSE %(now)s - interval '30 days' - pg_temp.draw(n, 'contact')
                       * (least(%(now)s - created_at, interval '400 days') - interval '30 days')
           END AS last_contact_at,
           CASE WHEN pg_temp.draw(n, 'scored') >= 0.12
                THEN coalesce(closed_at, greatest(created_at,
                       %(now)s - interval '1 day' * pg_temp.draw(n, 'scoring'))) END AS scored_at
      FROM closed
"""
SCORED_SQL = f"""
    SELECT contacted.*, signals,
           CASE WHEN signals IS NOT NULL
                THEN lead_score(signals, %(policy)s, %(half_life)s, scored_at) END AS score
      FROM contacted LEFT JOIN LATERAL ({SIGNALS_SQL}) AS shown ON scored_at IS NOT NULL
"""
# The phone numbers are the hundred of each area code that are reserved for fiction, in common notations.
SEEDED_TABLE_SQL = f"""
CREATE TEMP TABLE seeded ON COMMIT DROP AS
WITH new_leads AS MATERIALIZED ({NEW_LEADS_SQL}),
     staged AS MATERIALIZED ({STAGED_SQL}),
     closed AS MATERIALIZED ({CLOSED_SQL}),
     contacted AS MATERIALIZED ({CONTACTED_SQL}),
     scored AS MATERIALIZED ({SCORED_SQL})
SELECT scored.*, pg_temp.uuid7(created_at, 'lead', n) AS id, owner_id,
       first_name || ' ' || last_name AS name,
       CASE WHEN pg_temp.draw(n, 'email') < 0.94
            THEN lower(translate(first_name || '.' || last_name, '''', '')) || '.' || n || '@example.'
              || pg_temp.pick(%(domains)s, pg_temp.draw(n, 'domain'))
            ELSE '' END AS email,
       format(pg_temp.pick(%(phone_forms)s, pg_temp.draw(n, 'phone form')), split_part(town, '|', 4),
              pg_temp.whole(100, 199, pg_temp.draw(n, 'phone'))) AS phone,
       CASE WHEN is_firm
            THEN pg_temp.pick(%(firm_names)s, pg_temp.draw(n, 'firm')) || ' '
              || pg_temp.pick(%(trades)s, pg_temp.draw(n, 'trade'))
              || pg_temp.pick(%(firm_endings)s, pg_temp.draw(n, 'ending'))
            ELSE '' END AS company,
       pg_temp.whole(1, 9899, pg_temp.draw(n, 'house')) || ' '
         || pg_temp.pick(%(streets)s, pg_temp.draw(n, 'street')) || ' '
         || pg_temp.pick(%(street_kinds)s, pg_temp.draw(n, 'street kind')) AS street,
       CASE WHEN is_open AND scored_at IS NOT NULL
             AND coalesce(last_contact_at, created_at) < %(now)s - make_interval(days => %(dormant)s) THEN 'dormant'
            WHEN score >= %(hot)s THEN 'hot'
            WHEN score >= %(warm)s THEN 'warm'
            WHEN score IS NOT NULL THEN 'cold' END AS tier,
       CASE WHEN closed_at IS NOT NULL THEN closed_at
            WHEN status_id = 'NEW_OPPORTUNITIES' THEN created_at
            ELSE created_at + pg_temp.draw(n, 'staged')
                   * least(%(now)s - created_at, interval '60 days') END AS staged_at,
       CASE WHEN pg_temp.draw(n, 'valued') < 0.92
            THEN round((usual * (0.35 + 2.4 * power(pg_temp.draw(n, 'value'), 2)))::numeric, -1) END AS value,
       coalesce(is_open AND pg_temp.draw(n, 'awaiting') < 0.45 AND last_contact_at IS NOT NULL, false)
         AS awaiting,
       CASE WHEN status_id = 'CLOSED_WON' AND pg_temp.draw(n, 'converted') < %(clients)s
            THEN closed_at END AS converted_at,
       CASE WHEN status_id = 'CLOSED_WON' AND pg_temp.draw(n, 'converted') < %(clients)s
            THEN pg_temp.uuid7(closed_at, 'client', n) END AS client_id
  FROM scored
  LEFT JOIN (SELECT id AS owner_id, username FROM users) AS agents ON username = owner
  LEFT JOIN unnest(%(priced)s::text[], %(prices)s::float8[]) AS price (code, usual) ON price.code = line_code
"""
HIGHEST_NUMBER_SQL = r"""
SELECT coalesce(max(substring(email FROM '\.(\d{1,12})(?:\.[a-z]+)?@example\.(?:com|net|org)$')::bigint), 0)
  FROM (SELECT contact_email FROM leads UNION ALL SELECT contacts.email FROM contacts) AS known (email)
 WHERE email LIKE '%@example.%'
"""

# The share of each line among new leads, and the usual yearly premium.
LINE_SHARES = {
    "auto": 30,
    "home": 19,
    "renters": 7,
    "specialty": 4,
    "umbrella": 3,
    "commercial_auto": 8,
    "general_liability": 11,
    "commercial_property": 6,
    "workers_compensation": 5,
    "life": 5,
    "": 2,
}
LINE_PRICES = {
    "auto": 1_900.0,
    "home": 2_300.0,
    "renters": 280.0,
    "specialty": 800.0,
    "umbrella": 520.0,
    "commercial_auto": 9_500.0,
    "general_liability": 5_200.0,
    "commercial_property": 11_000.0,
    "workers_compensation": 14_000.0,
    "life": 1_200.0,
    "": 1_500.0,
}
TIMELINE_PARAMETERS: dict[str, Any] = {
    **PEOPLE_PARAMETERS,
    **PLACE_PARAMETERS,
    **FIRM_PARAMETERS,
    **SIGNAL_PARAMETERS,
    **weighted_choice("lines", LINE_SHARES),
    **weighted_choice("fresh", {"NEW_OPPORTUNITIES": 58, "ACTIVE": 30, "PROPOSAL_SENT": 11, "ON_ICE": 1}),
    **weighted_choice("stages", {"NEW_OPPORTUNITIES": 14, "ACTIVE": 41, "PROPOSAL_SENT": 22, "ON_ICE": 23}),
    **weighted_choice("ends", {"CLOSED_WON": 35, "CLOSED_LOST": 47, "CLOSED_UNQUALIFIED": 18}),
    "domains": ["com", "com", "com", "net", "org"],
    "phone_forms": ["(%s) 555-0%s", "%s-555-0%s", "%s.555.0%s", "+1 %s 555 0%s"],
    "priced": list(LINE_PRICES),
    "prices": list(LINE_PRICES.values()),
}


def create_seeded_table(cursor: CursorWrapper, chunk: Chunk, owners: Sequence[User]) -> None:
    """Create the table `seeded` for the leads of `chunk`; it is dropped at the end of the transaction."""
    # The transaction of a caller may contain several chunks.
    cursor.execute("DROP TABLE IF EXISTS pg_temp.seeded")
    policy = ScoringPolicy.objects.active()
    policy_parameters = {
        "policy": Jsonb(policy.weights),
        "half_life": float(policy.half_life_days),
        "hot": policy.hot_from,
        "warm": policy.warm_from,
        "dormant": policy.dormant_after_days,
    }
    chunk.run(
        cursor,
        SEEDED_TABLE_SQL,
        {**TIMELINE_PARAMETERS, **policy_parameters, "owners": [owner.username for owner in owners]},
    )
    cursor.execute("ANALYZE seeded")


def next_lead_number(cursor: CursorWrapper) -> int:
    """Return the number of the next lead. Every generated email address contains one, so it must be unique."""
    cursor.execute(HIGHEST_NUMBER_SQL)
    return cursor.fetchone()[0] + 1
