"""How the keys of JSON columns are used and what they hold: scans, counts, statements, and their screens."""
