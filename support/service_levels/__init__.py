"""How long a ticket may take: service levels, working hours, due times, waits, warnings and escalation."""
