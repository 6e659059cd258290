"""The table of a repeated group: a row for each entry of a list in JSON, in step both ways."""
