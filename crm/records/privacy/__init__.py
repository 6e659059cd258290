"""What the CRM holds about one person, across all tables."""
