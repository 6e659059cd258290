"""`manage.py catch_mail` writes each email to a file."""

import email
import email.policy
import socket

import pytest

from tests.crm.processes import PATIENCE_SECONDS, free_port, manage_here, running, send_email, wait_for_line

LONG = "x" * 5_000


def test_catcher_writes_each_email_to_a_file(tmp_path):
    port = free_port()
    with running("manage.py", "catch_mail", f"--port={port}", DATA_DIR=str(tmp_path)) as catcher:
        assert wait_for_line(catcher, "is written to")
        send_email(port, body=LONG)
        assert wait_for_line(catcher, "Email to lee@example.com: ")
        catcher.terminate()
        assert catcher.wait(PATIENCE_SECONDS) == 0
    [file] = (tmp_path / "mail").iterdir()
    assert file.suffix == ".eml" and "/" not in file.name
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert mail["Subject"] == "Hi" and mail.get_content().strip() == LONG


@pytest.mark.django_db(transaction=True)
def test_busy_port_is_reported():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = manage_here("catch_mail", f"--port={port}")
    assert ended.returncode == 1
    assert ended.stdout == f"CommandError: Port {port} is in use by another program. Choose another with --port.\n"
