"""The types of suggestion, and the levels of autonomy."""

from django.db import models


class SuggestionType(models.TextChoices):
    TASK = "TASK", "Task"
    PR = "PR", "Pull request"
    REPLY = "REPLY", "Reply"
    FOLLOW_UP = "FOLLOW_UP", "Follow-up"
    SEND_EMAIL = "SEND_EMAIL", "Email"
    SCHEDULE_CALL = "SCHEDULE_CALL", "Call"
    SEND_PROPOSAL = "SEND_PROPOSAL", "Proposal"
    CHANGE_STATUS = "CHANGE_STATUS", "Stage change"
    CREATE_LEAD = "CREATE_LEAD", "New lead"
    CONVERT_LEAD = "CONVERT_LEAD", "Conversion"
    LINK_THREAD = "LINK_THREAD", "Link conversation"
    RESOLVE_TICKET = "RESOLVE_TICKET", "Ticket resolution"


class Level(models.TextChoices):
    OFF = "off", "Off"
    SUGGEST = "suggest", "Suggest"
    AUTO_DRAFT = "auto_draft", "Draft in place"
    AUTO_EXECUTE = "auto_execute", "Carry out"


# From the least to the most autonomy.
LEVELS_ASCENDING = (Level.OFF, Level.SUGGEST, Level.AUTO_DRAFT, Level.AUTO_EXECUTE)
