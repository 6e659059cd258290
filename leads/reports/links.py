"""Pages of figures about leads that are no reports of their own."""

from crm.screens.reports import ReportLink

FORECAST = ReportLink(
    "Forecast against outcome",
    "How often leads were won that were given a probability, and what the probability rests on.",
    "leads.view_predictionmodel",
    "leads_predictionmodel_changelist",
)
BOOK = ReportLink(
    "Book of business",
    "The premium in force by line, carrier, owner and month of expiry.",
    "leads.view_policy",
    "leads_policy_book",
)
