"""Leads and what hangs on them, set-based. `facts` draws a table of the session that every other seed reads."""
