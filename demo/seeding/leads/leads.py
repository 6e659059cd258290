"""Seed the leads."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk, weighted_choice
from demo.seeding.leads.line_answers import ANSWER_PARAMETERS, AUTO_SQL, HOME_SQL, LINE_DATA_SQL
from demo.seeding.vocabulary import PEOPLE_PARAMETERS

INSERT_LEADS_SQL = f"""
INSERT INTO leads (
    id, created_at, updated_at, contact_name, contact_email, contact_phone, company_name, company_website,
    client_type, source_type, source_detail, assigned_to_id, notes,
    status_id, closed_at, rank, insurance_type_id, loss_reason, loss_notes,
    overall_score, priority_tier, tier_override, signals, last_scored_at, predicted_close_probability,
    estimated_value, expected_close_date, last_contact_at, last_activity_at, awaiting_reply,
    converted_at, converted_to_client_id,
    auto_data, home_data, line_data, additional_insureds, communications, tags, custom_fields
)
SELECT id, created_at, greatest(staged_at, last_contact_at, scored_at), name, email,
    CASE WHEN email = '' OR pg_temp.draw(n, 'telephone') < 0.9 THEN phone ELSE '' END, company,
    CASE WHEN is_firm AND pg_temp.draw(n, 'website') < 0.6
         THEN 'https://' || regexp_replace(lower(company), '[^a-z0-9]+', '-', 'g') || '.example.com'
         ELSE '' END,
    CASE WHEN is_firm THEN 'Business' ELSE 'Individual' END,
    source, pg_temp.pick(%(details)s, pg_temp.draw(n, 'detail')), owner_id,
    CASE WHEN pg_temp.draw(n, 'noted') < 0.35
         THEN pg_temp.pick(%(notes)s, pg_temp.draw(n, 'note')) ELSE '' END,
    status_id, closed_at, -date_part('epoch', staged_at), line_id,
    CASE WHEN status_id = 'CLOSED_LOST'
         THEN pg_temp.pick(%(reasons)s, %(reasons_shares)s, pg_temp.draw(n, 'reason')) ELSE '' END,
    CASE WHEN status_id = 'CLOSED_LOST' AND pg_temp.draw(n, 'explained') < 0.3
         THEN pg_temp.pick(%(losses)s, pg_temp.draw(n, 'loss')) ELSE '' END,
    score, coalesce(override, tier), override, coalesce(signals, '[]'), scored_at,
    CASE WHEN scored_at IS NOT NULL
         THEN round(least(0.97, greatest(0.02, odds + 0.45 * score - 0.12
                                               + 0.1 * pg_temp.draw(n, 'probability')))::numeric, 2) END,
    value,
    CASE WHEN closed_at IS NOT NULL THEN closed_at::date
         WHEN pg_temp.draw(n, 'expected') < 0.7
         THEN %(now)s::date + pg_temp.whole(-12, 100, pg_temp.draw(n, 'due')) END,
    last_contact_at, greatest(created_at, staged_at, last_contact_at), awaiting, converted_at, client_id,
    CASE WHEN line_code = 'auto' THEN {AUTO_SQL} ELSE '{{}}' END,
    CASE WHEN line_code = 'home' OR line_code = 'auto' AND pg_temp.draw(n, 'bundled') < 0.15
         THEN {HOME_SQL} ELSE '{{}}' END,
    CASE {LINE_DATA_SQL} ELSE '{{}}' END,
    CASE WHEN NOT is_firm AND pg_temp.draw(n, 'spouse') < 0.12
         THEN jsonb_build_array(jsonb_build_object('relation', 'spouse', 'name',
                pg_temp.pick(%(first_names)s, pg_temp.draw(n, 'spouse name')) || ' ' || last_name))
         ELSE '[]' END,
    jsonb_build_object(
        'preferred', pg_temp.pick(%(channels)s, pg_temp.draw(n, 'channel')),
        'best_time', pg_temp.pick(%(hours)s, pg_temp.draw(n, 'hours')),
        'email', jsonb_build_object('consent', pg_temp.draw(n, 'mail') < 0.85, 'opted_in_at', created_at::date),
        'sms', jsonb_build_object('consent', pg_temp.draw(n, 'text') < 0.4, 'opted_in_at', created_at::date),
        'phone', jsonb_build_object('do_not_contact', pg_temp.draw(n, 'call') < 0.06)),
    ARRAY(SELECT DISTINCT pg_temp.pick(%(tags)s, power(pg_temp.draw(n * 8 + i, 'tag'), 1.7))
            FROM generate_series(1, width_bucket(pg_temp.draw(n, 'tagged'), %(tagged)s)) AS i),
    jsonb_strip_nulls(jsonb_build_object(
        'campaign', CASE WHEN source <> 'REFERRAL' AND pg_temp.draw(n, 'in campaign') < 0.6
                         THEN pg_temp.pick(%(campaigns)s, pg_temp.draw(n, 'campaign')) END,
        'referral_code', CASE WHEN source = 'REFERRAL'
                              THEN 'R-' || pg_temp.whole(1000, 9999, pg_temp.draw(n, 'referral')) END,
        'household_size', CASE WHEN NOT is_firm AND pg_temp.draw(n, 'household') < 0.5
                               THEN pg_temp.whole(1, 6, power(pg_temp.draw(n, 'heads'), 1.5)) END,
        'homeowner', CASE WHEN NOT is_firm AND pg_temp.draw(n, 'asked') < 0.55
                          THEN pg_temp.draw(n, 'homeowner') < 0.62 END,
        'license_number', CASE WHEN is_firm AND pg_temp.draw(n, 'licensed') < 0.5
                               THEN 'L' || pg_temp.whole(100000, 999999, pg_temp.draw(n, 'license')) END))
  FROM (
    SELECT seeded.*, pg_temp.pick(%(sources)s, %(sources_shares)s, pg_temp.draw(n, 'source')) AS source,
           CASE WHEN pg_temp.draw(n, 'override') < 0.01
                THEN pg_temp.pick('{{hot,warm,cold}}', pg_temp.draw(n, 'overridden')) END AS override,
           (%(odds)s::float8[])[array_position(%(odds_of)s, status_id)] AS odds
      FROM seeded
     -- Computes each expression once for a row, and not at every use.
     OFFSET 0
  ) AS drawn
"""
STAGE_ODDS = {
    "NEW_OPPORTUNITIES": 0.10,
    "ACTIVE": 0.22,
    "PROPOSAL_SENT": 0.38,
    "ON_ICE": 0.06,
    "CLOSED_WON": 0.55,
    "CLOSED_LOST": 0.18,
    "CLOSED_UNQUALIFIED": 0.05,
}
LEAD_PARAMETERS: dict[str, Any] = {
    **ANSWER_PARAMETERS,
    **PEOPLE_PARAMETERS,
    **weighted_choice("sources", {"WEBSITE": 36, "REFERRAL": 24, "EMAIL": 14, "EVENT": 9, "IMPORT": 12, "OTHER": 5}),
    **weighted_choice("reasons", {"BUDGET": 26, "COMPETITOR": 24, "GHOSTED": 22, "TIMING": 14, "FIT": 9, "OTHER": 5}),
    "odds_of": list(STAGE_ODDS),
    "odds": list(STAGE_ODDS.values()),
    "details": [
        "",
        "",
        "Quote form",
        "Home show",
        "Chamber of Commerce breakfast",
        "A neighbor",
        "Rate comparison page",
        "Newsletter",
        "Realtor partner",
        "Dealer partner",
    ],
    "notes": [
        "Asked to be called after five.",
        "Policy ends next month; wants two offers to compare.",
        "Had a claim last winter and is not content with how it was handled.",
        "Prefers to have everything in one place.",
        "Will decide together with the family.",
        "Moved here this spring; needs new cover for the house.",
        "Interested, but only if the deductible stays below $1,000.",
        "Knows one of our clients from church.",
        "Wants the certificate by the end of the week.",
        "Compares us with an offer from the internet.",
    ],
    "losses": [
        "The other offer was lower by a third.",
        "Renewed with the current carrier without telling us.",
        "No answer after four attempts.",
        "Sold the house before the policy began.",
        "Wants to come back to it next year.",
    ],
    "channels": ["email", "email", "phone", "sms"],
    "hours": ["morning", "afternoon", "evening", "any"],
    # The first tags are the most frequent. A quarter of the leads have none, a few have four.
    "tags": [
        "renewal",
        "bundle",
        "new-homeowner",
        "price-shopper",
        "family",
        "small-business",
        "spanish-speaking",
        "multi-car",
        "referral-partner",
        "first-time-buyer",
        "recent-claim",
        "contractor",
        "fleet",
        "newly-married",
        "retired",
        "student-driver",
        "high-value-home",
        "flood-zone",
        "veteran",
        "nonprofit",
        "restaurant",
        "rental-property",
        "classic-car",
        "vip",
    ],
    "tagged": [0.25, 0.6, 0.85, 0.97],
    "campaigns": [
        "spring-auto",
        "summer-storm",
        "fall-renewals",
        "winter-home",
        "small-business-week",
        "new-movers",
        "teen-drivers",
        "bundle-and-save",
    ],
}


def insert_leads(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert the leads of `seeded`; their clients must exist already."""
    return chunk.run(cursor, INSERT_LEADS_SQL, LEAD_PARAMETERS)
