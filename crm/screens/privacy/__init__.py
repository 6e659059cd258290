"""The whole record of a person: the page that asks which records are the person, and the file."""
