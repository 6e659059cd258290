"""The stages, lines of insurance and scoring policy that every agency starts with. Staff change them as rows."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

STAGES = [
    # code, label, category, colour, stale after days, guidance
    (
        "NEW_OPPORTUNITIES",
        "New opportunities",
        "open",
        "blue",
        3,
        "Reply today. Find out what is insured now, and until when.",
    ),
    ("ACTIVE", "Active", "open", "teal", 7, "Collect the details for the quote. Agree on the next appointment."),
    (
        "PROPOSAL_SENT",
        "Proposal sent",
        "open",
        "purple",
        7,
        "Follow up after two days. Mention the date the offer expires.",
    ),
    ("ON_ICE", "On ice", "paused", "grey", 30, "Contact again before the renewal date."),
    ("CLOSED_WON", "Won", "won", "green", None, "Convert to a client and welcome them."),
    ("CLOSED_LOST", "Lost", "lost", "red", None, "Record the reason. Contact again before the next renewal."),
    ("CLOSED_UNQUALIFIED", "Unqualified", "unqualified", "grey", None, "Not a potential client."),
]

TEXT = {"type": "string", "maxLength": 200}
LONG = {"type": "string", "maxLength": 5000}
DATE = {"type": "string", "format": "date"}
MONEY = {"type": "number", "minimum": 0, "unit": "$"}
COUNT = {"type": "integer", "minimum": 0}
BIRTH_DATE = {**DATE, "title": "Date of birth"}
YEAR = {"type": "integer", "minimum": 1800, "maximum": 2100}


def choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def form(**properties: Any) -> dict[str, Any]:
    titled = {
        key: {"title": key.replace("_", " ").capitalize().replace("Vin", "VIN"), **schema}
        for key, schema in properties.items()
    }
    # JSONB does not preserve the order of keys, so the form lists it.
    return {"type": "object", "properties": titled, "propertyOrder": list(titled)}


def rows(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": form(**properties)}


CURRENT = {"current_carrier": TEXT, "current_premium": MONEY, "renewal_date": DATE}
VEHICLE = {
    "vin": {"type": "string", "title": "VIN", "pattern": "^[A-HJ-NPR-Za-hj-npr-z0-9]{11,17}$"},
    "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
    "make": TEXT,
    "model": TEXT,
}
LINES = [
    # code, name, personal, commercial, description, form
    (
        "auto",
        "Auto",
        True,
        False,
        "Private cars.",
        form(
            **VEHICLE,
            use=choice("commute", "pleasure", "business"),
            annual_mileage={**COUNT, "unit": "miles"},
            **CURRENT,
            drivers=rows(
                name=TEXT, born=BIRTH_DATE, licence_state=TEXT, accidents_5y={**COUNT, "title": "Accidents in 5 years"}
            ),
            other_vehicles=rows(**VEHICLE),
        ),
    ),
    (
        "home",
        "Home",
        True,
        False,
        "Owner-occupied houses and flats.",
        form(
            address=TEXT,
            year_built=YEAR,
            square_feet=COUNT,
            construction=choice("frame", "masonry", "brick veneer", "log", "other"),
            roof_year=YEAR,
            replacement_cost=MONEY,
            mortgagee=TEXT,
            alarm={"type": "boolean"},
            pool={"type": "boolean"},
            dog={"type": "boolean"},
            **CURRENT,
            claims=rows(date=DATE, cause=TEXT, paid=MONEY),
        ),
    ),
    (
        "renters",
        "Renters",
        True,
        False,
        "Belongings and liability of tenants.",
        form(
            address=TEXT,
            contents_value=MONEY,
            liability_limit=MONEY,
            pets={"type": "boolean"},
            **CURRENT,
        ),
    ),
    (
        "specialty",
        "Specialty",
        True,
        False,
        "Boats, motorcycles, collections, events.",
        form(
            item=choice("boat", "motorcycle", "recreational vehicle", "collection", "event", "other"),
            description=LONG,
            value=MONEY,
            **CURRENT,
        ),
    ),
    (
        "umbrella",
        "Umbrella",
        True,
        False,
        "Liability above the other policies.",
        form(
            limit=MONEY,
            households=COUNT,
            vehicles=COUNT,
            properties=COUNT,
            underlying_policies=LONG,
            **CURRENT,
        ),
    ),
    (
        "commercial_auto",
        "Commercial auto",
        False,
        True,
        "Fleets and business vehicles.",
        form(
            vehicles=rows(**VEHICLE),
            drivers=COUNT,
            radius_miles=COUNT,
            cargo=TEXT,
            dot_number={**TEXT, "title": "DOT number"},
            **CURRENT,
        ),
    ),
    (
        "general_liability",
        "General liability",
        False,
        True,
        "Injury and damage to others by a business.",
        form(
            operations=LONG,
            annual_revenue=MONEY,
            employees=COUNT,
            limit=MONEY,
            claims_5y={**COUNT, "title": "Claims in 5 years"},
            **CURRENT,
        ),
    ),
    (
        "commercial_property",
        "Commercial property",
        False,
        True,
        "Buildings and contents of a business.",
        form(
            address=TEXT,
            occupancy=TEXT,
            year_built=YEAR,
            square_feet=COUNT,
            building_value=MONEY,
            contents_value=MONEY,
            sprinklers={"type": "boolean"},
            **CURRENT,
        ),
    ),
    (
        "workers_compensation",
        "Workers compensation",
        False,
        True,
        "Injury of employees at work.",
        form(
            employees=COUNT,
            annual_payroll=MONEY,
            class_codes=TEXT,
            experience_modifier={"type": "number", "minimum": 0, "maximum": 5},
            claims_5y={**COUNT, "title": "Claims in 5 years"},
            **CURRENT,
        ),
    ),
    (
        "life",
        "Life",
        True,
        False,
        "Term and whole life.",
        form(
            born=BIRTH_DATE,
            smoker={"type": "boolean"},
            coverage=MONEY,
            term_years=COUNT,
            kind=choice("term", "whole", "universal"),
            beneficiary=TEXT,
        ),
    ),
]
WEIGHTS = {  # signal: weight, half-life in days
    "email_opened": (0.10, 14),
    "replied_quickly": (0.20, 30),
    "multiple_stakeholders": (0.15, 60),
    "budget_mentioned": (0.25, 60),
    "decision_maker": (0.20, 90),
    "clear_requirements": (0.15, 60),
    "urgency_detected": (0.20, 14),
    "follow_up_requested": (0.15, 30),
    "meeting_scheduled": (0.25, 30),
    "proposal_viewed": (0.20, 21),
    "referral": (0.15, 120),
    "fit": (0.10, 180),
    "competitor_mentioned": (-0.10, 60),
    "price_sensitive": (-0.10, 60),
    "just_exploring": (-0.15, 45),
    "going_cold": (-0.15, 30),
    "bounced": (-0.20, 90),
}


def seed(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    stage, line = apps.get_model("leads", "LeadStatus"), apps.get_model("leads", "InsuranceType")
    for position, (code, label, category, colour, stale, guidance) in enumerate(STAGES, start=1):
        stage.objects.create(
            code=code,
            label=label,
            category=category,
            position=position * 10,
            colour=colour,
            stale_after_days=stale,
            guidance=guidance,
        )
    for code, name, personal, commercial, description, schema in LINES:
        line.objects.create(
            code=code,
            name=name,
            is_personal=personal,
            is_commercial=commercial,
            description=description,
            form_schema=schema,
        )
    apps.get_model("leads", "ScoringPolicy").objects.create(
        version=1,
        note="Default weights, half-lives and tiers.",
        weights={name: {"weight": weight, "half_life_days": days} for name, (weight, days) in WEIGHTS.items()},
        is_active=True,
        activated_at=timezone.now(),
    )


class Migration(migrations.Migration):
    dependencies = [("leads", "0003_triggers_and_statistics")]
    operations = [migrations.RunPython(seed)]
