"""The choices of a lead's fields."""

from django.db import models


class Source(models.TextChoices):
    REFERRAL = "REFERRAL", "Referral"
    WEBSITE = "WEBSITE", "Website"
    EVENT = "EVENT", "Event"
    IMPORT = "IMPORT", "Import"
    EMAIL = "EMAIL", "Email"
    RENEWAL = "RENEWAL", "Renewal"
    OTHER = "OTHER", "Other"


class Tier(models.TextChoices):
    HOT = "hot"
    WARM = "warm"
    COLD = "cold"
    DORMANT = "dormant"


class LossReason(models.TextChoices):
    BUDGET = "BUDGET", "Budget"
    TIMING = "TIMING", "Timing"
    COMPETITOR = "COMPETITOR", "Competitor"
    FIT = "FIT", "Not a fit"
    GHOSTED = "GHOSTED", "Stopped answering"
    OTHER = "OTHER", "Other"
