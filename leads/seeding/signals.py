"""What a lead has shown, and the score that follows from it by the design's own formula."""

# The fresher and the more, the higher: the sum of weight × 0.5^(age ÷ half-life), at the time of scoring.
HALF_LIFE_DAYS = 30
WEIGHTS = {
    "email_opened": 0.10,
    "replied_quickly": 0.20,
    "multiple_stakeholders": 0.15,
    "budget_mentioned": 0.25,
    "decision_maker": 0.20,
    "clear_requirements": 0.15,
    "urgency_detected": 0.20,
    "follow_up_requested": 0.15,
    "meeting_scheduled": 0.25,
    "proposal_viewed": 0.20,
    "referral": 0.15,
}
WARNINGS = {
    "competitor_mentioned": -0.10,
    "price_sensitive": -0.10,
    "just_exploring": -0.15,
    "going_cold": -0.15,
    "bounced": -0.20,
}
# One lead in five has a warning among its signals; a third of them a single signal, few have six.
SIGNALS = f"""
    SELECT jsonb_agg(jsonb_build_object('type', type, 'timestamp', at, 'weight', weight) || more
                     ORDER BY at) AS signals,
           round(least(greatest(sum(weight * power(0.5, date_part('epoch', scored_at - at) / 86400
                                                        / {HALF_LIFE_DAYS})), 0), 1)::numeric, 2) AS score
      FROM (
        SELECT sign.type, sign.weight::numeric AS weight,
               date_trunc('second', scored_at - power(pg_temp.draw(n * 8 + i, 'age'), 2)
                 * least(scored_at - created_at, interval '25 days')) AS at,
               CASE sign.type
                    WHEN 'multiple_stakeholders'
                    THEN jsonb_build_object('count', pg_temp.whole(2, 4, pg_temp.draw(n, 'stakeholders')))
                    WHEN 'budget_mentioned'
                    THEN jsonb_build_object('value', 100 * pg_temp.whole(4, 90, pg_temp.draw(n, 'budget')))
                    ELSE '{{}}' END AS more
          FROM generate_series(
                 CASE WHEN pg_temp.draw(n, 'warned') < 0.2 THEN 0 ELSE 1 END,
                 1 + width_bucket(pg_temp.draw(n, 'warmth'), %(counts)s)) AS i
          JOIN unnest(%(signs)s::text[], %(weights)s::float8[]) WITH ORDINALITY AS sign (type, weight, place)
            ON sign.place = CASE WHEN i = 0
                 THEN pg_temp.whole({len(WEIGHTS) + 1}, {len(WEIGHTS | WARNINGS)}, pg_temp.draw(n, 'warning'))
                 ELSE pg_temp.whole(1, {len(WEIGHTS)}, pg_temp.draw(n * 8 + i, 'sign')) END
      ) AS drawn
"""
SIGNS = {
    "signs": [*WEIGHTS, *WARNINGS],
    "weights": [*WEIGHTS.values(), *WARNINGS.values()],
    "counts": [0.32, 0.52, 0.70, 0.84, 0.94],
}
