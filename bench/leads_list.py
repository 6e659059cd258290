"""The list of leads at 1,000,000, beside the stock admin's and beside itself at 100,000."""

from django.contrib import admin

from bench import lists
from bench.lists import DEEP_PAGE, BenchSite, Listing, Question
from leads.models import Lead

# What is asked, of us and of the stock admin: both show the same rows. What stands in braces is looked up.
QUESTIONS: dict[str, Question] = {
    "first page": ({}, {"closed_at__isempty": "1"}),
    "first page, closed too": ({"state": "all"}, {}),
    "tier tab": ({"tier": "hot"}, {"priority_tier__exact": "hot", "closed_at__isempty": "1"}),
    "filter (stage)": ({"stage": "ACTIVE"}, {"status__code__exact": "ACTIVE"}),
    "search (name)": ({"q": "okafor"}, {"q": "okafor"}),
    "search (two words)": ({"q": "{name}"}, {"q": "{name}"}),
    "search (VIN)": ({"q": "{vin}"}, {"q": "{vin}"}),
    "tag filter (common)": ({"tags": "renewal", "state": "all"}, {"tag": "renewal"}),
    "tag filter (rare)": ({"tags": "veteran", "state": "all"}, {"tag": "veteran"}),
    "custom-field filter": (
        {"cf.campaign": "teen-drivers", "state": "all"},
        {"campaign": "teen-drivers"},
    ),
    "deep page (21st)": ({"state": "all", "after": "{21st}"}, {"p": str(DEEP_PAGE + 1)}),
    "deep page (half way)": ({"state": "all", "after": "{half}"}, {"p": "{half page}"}),
}


def look_up_values(site: BenchSite) -> dict[str, str]:
    """A name, a VIN and the deep pages of this database."""
    order = next(iter(admin.site.get_model_admin(Lead).orders.values()))
    driver = Lead.objects.exclude(auto_data={}).latest("pk")
    return {"name": driver.contact_name, "vin": driver.auto_data["vin"], **site.deep_page_values(order)}


LISTING = Listing(__doc__, Lead, QUESTIONS, look_up_values)


def run(repeat: int) -> bool:
    return lists.run(LISTING, repeat)


def plans() -> None:
    lists.plans(LISTING)
