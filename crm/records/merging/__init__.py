"""Two records of a table become one, and two again."""
