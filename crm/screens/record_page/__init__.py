"""What the page of a record offers beside showing it: single fields to change, and the way through the list."""
