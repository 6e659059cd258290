"""The schema that staff change: definitions of custom fields."""
