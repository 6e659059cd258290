"""What to do about a key: stay, an index, a column, a table, or retire it; with figures, costs and gains."""
