"""The colours that people can choose from."""

from django.db import models


class BadgeColour(models.TextChoices):
    """The colours of the theme's badges."""

    GREY = "grey", "Grey"
    BLUE = "blue", "Blue"
    TEAL = "teal", "Teal"
    GREEN = "green", "Green"
    AMBER = "amber", "Amber"
    RED = "red", "Red"
    PURPLE = "purple", "Purple"
