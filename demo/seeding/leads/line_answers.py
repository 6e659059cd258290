"""SQL for the answers to the form of a lead's line."""

from demo.seeding.vocabulary import split_phrases

# Invented names of insurers.
CARRIERS = [
    "Bluestem Mutual",
    "Harbor & Main",
    "Keel Insurance",
    "Lamplight Casualty",
    "Northfork",
    "Old Orchard Mutual",
    "Prairie Shield",
    "Redwood National",
    "Summit Fire & Home",
]
# The first eight characters of a VIN are those of the model; the rest identifies the vehicle.
VEHICLES = split_phrases("""
    1FTFW1E5|Ford|F-150
    1FMCU9G6|Ford|Escape
    1GCUYDED|Chevrolet|Silverado 1500
    1G1ZD5ST|Chevrolet|Malibu
    1HGCV1F3|Honda|Accord
    2HGFC2F5|Honda|Civic
    5J6RW2H8|Honda|CR-V
    4T1G11AK|Toyota|Camry
    2T3P1RFV|Toyota|RAV4
    5TDKDRBH|Toyota|Highlander
    1N4BL4BV|Nissan|Altima
    5N1AT3AB|Nissan|Rogue
    5XYZT3LB|Hyundai|Santa Fe
    KM8J3CA4|Hyundai|Tucson
    5XXG64J2|Kia|K5
    JF2GTAPC|Subaru|Crosstrek
    4S4BTACC|Subaru|Outback
    1C4RJFBG|Jeep|Grand Cherokee
    1C6SRFFT|Ram|1500
    3VWC57BU|Volkswagen|Jetta
    JM3KFBDM|Mazda|CX-5
    5YJ3E1EA|Tesla|Model 3
""")
VANS = split_phrases("""
    1FTBW2CM|Ford|Transit
    1GCWGAFP|Chevrolet|Express
    3C6LRVDG|Ram|ProMaster
    W1Y4ECHY|Mercedes-Benz|Sprinter
    JALC4W16|Isuzu|NPR
    1FVACWDT|Freightliner|M2 106
    1HTMMMML|International|MV607
""")


def vehicle_sql(parameter: str, row_number: str) -> str:
    """Return SQL for a vehicle as JSON, drawn from the parameter `parameter` for the row `row_number`."""
    pick = f"pg_temp.pick(%({parameter})s, pg_temp.draw({row_number}, 'vehicle'))"
    serial = f"upper(substr(md5(pg_temp.draw({row_number}, 'VIN')::text), 1, 9))"
    return f"""jsonb_build_object(
        'vin', split_part({pick}, '|', 1) || {serial},
        'make', split_part({pick}, '|', 2), 'model', split_part({pick}, '|', 3),
        'year', pg_temp.whole(2006, 2026, sqrt(pg_temp.draw({row_number}, 'model year'))))"""


def amount_sql(draw_name: str, low: int, high: int, step: int) -> str:
    """Return SQL for a round number between `low` and `high`, more often small than large."""
    return f"{step} * pg_temp.whole({low // step}, {high // step}, power(pg_temp.draw(n, '{draw_name}'), 2))"


def chance_sql(draw_name: str, share: float) -> str:
    return f"pg_temp.draw(n, '{draw_name}') < {share}"


# The answers belong to the first version of each form.
CURRENT_POLICY_SQL = f"""jsonb_build_object('schema_version', 1,
    'current_carrier', pg_temp.pick(%(carriers)s, pg_temp.draw(n, 'carrier')),
    'current_premium', {amount_sql("premium", 300, 9_000, 10)},
    'renewal_date', %(now)s::date + pg_temp.whole(-60, 330, pg_temp.draw(n, 'renewal')))"""
ADDRESS_SQL = "street || ', ' || split_part(town, '|', 1) || ', ' || split_part(town, '|', 2)"

AUTO_SQL = f"""{vehicle_sql("vehicles", "n")} || {CURRENT_POLICY_SQL} || jsonb_build_object(
    'use', pg_temp.pick('{{commute,commute,pleasure,business}}', pg_temp.draw(n, 'use')),
    'annual_mileage', {amount_sql("mileage", 3_000, 28_000, 500)},
    'drivers', jsonb_build_array(jsonb_build_object(
        'name', name, 'born', date '1948-01-01' + pg_temp.whole(0, 21500, pg_temp.draw(n, 'born')),
        'licence_state', split_part(town, '|', 2),
        'accidents_5y', pg_temp.whole(0, 3, power(pg_temp.draw(n, 'accidents'), 4)))))"""
HOME_SQL = f"""{CURRENT_POLICY_SQL} || jsonb_build_object(
    'address', {ADDRESS_SQL},
    'year_built', pg_temp.whole(1895, 2025, sqrt(pg_temp.draw(n, 'built'))),
    'square_feet', {amount_sql("area", 800, 5_200, 20)},
    'construction', pg_temp.pick('{{frame,frame,masonry,brick veneer,log}}', pg_temp.draw(n, 'construction')),
    'roof_year', pg_temp.whole(1998, 2026, pg_temp.draw(n, 'roof')),
    'replacement_cost', {amount_sql("rebuilding", 140_000, 1_400_000, 5_000)},
    'alarm', {chance_sql("alarm", 0.4)}, 'pool', {chance_sql("pool", 0.12)}, 'dog', {chance_sql("dog", 0.38)})"""
# The lines without a column of their own.
OTHER_LINES_SQL = {
    "renters": f"""{CURRENT_POLICY_SQL} || jsonb_build_object('address', {ADDRESS_SQL},
        'contents_value', {amount_sql("contents", 8_000, 90_000, 1_000)},
        'liability_limit', {amount_sql("limit", 100_000, 500_000, 100_000)}, 'pets', {chance_sql("pets", 0.45)})""",
    "specialty": f"""{CURRENT_POLICY_SQL} || jsonb_build_object(
        'item', pg_temp.pick('{{boat,motorcycle,recreational vehicle,collection}}', pg_temp.draw(n, 'item')),
        'value', {amount_sql("item value", 3_000, 160_000, 500)})""",
    "umbrella": f"""{CURRENT_POLICY_SQL} || jsonb_build_object(
        'limit', {amount_sql("limit", 1_000_000, 5_000_000, 1_000_000)},
        'households', 1, 'vehicles', pg_temp.whole(1, 5, pg_temp.draw(n, 'vehicles')),
        'properties', pg_temp.whole(1, 3, power(pg_temp.draw(n, 'properties'), 2)))""",
    "commercial_auto": f"""{CURRENT_POLICY_SQL} || jsonb_build_object(
        'vehicles', jsonb_build_array({vehicle_sql("vans", "n")}, {vehicle_sql("vans", "-n")}),
        'drivers', pg_temp.whole(1, 25, power(pg_temp.draw(n, 'drivers'), 2)),
        'radius_miles', {amount_sql("radius", 20, 600, 10)},
        'dot_number', pg_temp.whole(1000000, 3999999, pg_temp.draw(n, 'DOT'))::text)""",
    "general_liability": f"""{CURRENT_POLICY_SQL} || jsonb_build_object(
        'operations', split_part(company, ' ', 1) || ' serves customers in and around '
                      || split_part(town, '|', 1) || '.',
        'annual_revenue', {amount_sql("revenue", 80_000, 9_000_000, 10_000)},
        'employees', pg_temp.whole(1, 80, power(pg_temp.draw(n, 'employees'), 3)),
        'limit', {amount_sql("limit", 1_000_000, 3_000_000, 1_000_000)},
        'claims_5y', pg_temp.whole(0, 4, power(pg_temp.draw(n, 'claims'), 4)))""",
    "commercial_property": f"""{CURRENT_POLICY_SQL} || jsonb_build_object('address', {ADDRESS_SQL},
        'occupancy', pg_temp.pick('{{office,retail,workshop,warehouse,restaurant}}', pg_temp.draw(n, 'used')),
        'year_built', pg_temp.whole(1900, 2024, sqrt(pg_temp.draw(n, 'built'))),
        'square_feet', {amount_sql("area", 900, 60_000, 100)},
        'building_value', {amount_sql("building", 150_000, 6_000_000, 10_000)},
        'contents_value', {amount_sql("contents", 10_000, 900_000, 5_000)},
        'sprinklers', {chance_sql("sprinklers", 0.45)})""",
    "workers_compensation": f"""{CURRENT_POLICY_SQL} || jsonb_build_object(
        'employees', pg_temp.whole(2, 120, power(pg_temp.draw(n, 'employees'), 3)),
        'annual_payroll', {amount_sql("payroll", 60_000, 5_000_000, 10_000)},
        'class_codes', pg_temp.whole(2000, 9200, pg_temp.draw(n, 'class'))::text,
        'experience_modifier', round((0.7 + 0.8 * pg_temp.draw(n, 'modifier'))::numeric, 2),
        'claims_5y', pg_temp.whole(0, 6, power(pg_temp.draw(n, 'claims'), 4)))""",
    "life": f"""jsonb_build_object('schema_version', 1,
        'born', date '1950-01-01' + pg_temp.whole(0, 19000, pg_temp.draw(n, 'born')),
        'smoker', {chance_sql("smoker", 0.13)}, 'coverage', {amount_sql("coverage", 50_000, 2_000_000, 25_000)},
        'term_years', 5 * pg_temp.whole(2, 6, pg_temp.draw(n, 'term')),
        'kind', pg_temp.pick('{{term,term,term,whole,universal}}', pg_temp.draw(n, 'kind')))""",
}
LINE_DATA_SQL = " ".join(
    f"WHEN line_code = '{code}' THEN jsonb_build_object('{code}', {data})" for code, data in OTHER_LINES_SQL.items()
)
ANSWER_PARAMETERS = {
    "carriers": CARRIERS,
    "vehicles": VEHICLES,
    "vans": VANS,
}
