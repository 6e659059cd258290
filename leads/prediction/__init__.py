"""How likely a lead is to be won: what was known of it when it came, weighed by what became of those before it."""
