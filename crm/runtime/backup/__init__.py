"""Backups: the database and the stored files in one archive, and back.

`archive` writes and reads the file, `database` dumps and restores the database, `stored_files` exchanges the files,
`programs` runs PostgreSQL's own programs. `create` and `restore` put them together.
"""
