"""SQL for the signals of a lead."""

from leads.scoring.explanation import DEFAULT_SIGNAL_WEIGHTS

POSITIVE_WEIGHTS = {name: weight for name, (weight, _) in DEFAULT_SIGNAL_WEIGHTS.items() if weight > 0}
NEGATIVE_WEIGHTS = {name: weight for name, (weight, _) in DEFAULT_SIGNAL_WEIGHTS.items() if weight < 0}
# One lead in five has a warning. A third of the leads have a single other signal, a few have six.
SIGNALS_SQL = f"""
    SELECT jsonb_agg(jsonb_build_object('type', type, 'timestamp', at, 'weight', weight) || more
                     ORDER BY at) AS signals
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
                 THEN pg_temp.whole({len(POSITIVE_WEIGHTS) + 1}, {len(POSITIVE_WEIGHTS | NEGATIVE_WEIGHTS)},
                                    pg_temp.draw(n, 'warning'))
                 ELSE pg_temp.whole(1, {len(POSITIVE_WEIGHTS)}, pg_temp.draw(n * 8 + i, 'sign')) END
      ) AS drawn
"""
SIGNAL_PARAMETERS = {
    "signs": [*POSITIVE_WEIGHTS, *NEGATIVE_WEIGHTS],
    "weights": [*POSITIVE_WEIGHTS.values(), *NEGATIVE_WEIGHTS.values()],
    "counts": [0.32, 0.52, 0.70, 0.84, 0.94],
}
