"""Requests to change how a key is stored: proposed by staff, decided by the schema admin."""
