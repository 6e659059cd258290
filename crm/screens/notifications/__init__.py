"""The bell in the top bar, the page of notifications, how each person is told, and colleagues to name in a note."""
