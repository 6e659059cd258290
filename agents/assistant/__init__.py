"""Asking about a lead: what is known is gathered and answered with its sources. Nothing is ever done from here."""
