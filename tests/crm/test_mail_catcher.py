"""`manage.py catch_mail`, alone and as a part of `serve`, writes each email to a file."""

import email
import email.policy
import smtplib
import socket

import pytest

from tests.crm.processes import manage, running, test_database_url, wait_for_line

LONG = "x" * 5_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def send(port):
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
        server.sendmail("a@b.example", ["lee@example.com"], f"Message-ID: <../../x@y>\nSubject: Hi\n\n{LONG}\n")


def test_catcher_writes_each_email_to_a_file(tmp_path):
    port = free_port()
    with running("manage.py", "catch_mail", f"--port={port}", DATA_DIR=str(tmp_path)) as catcher:
        assert wait_for_line(catcher, "is written to")
        send(port)
        assert wait_for_line(catcher, "Email to lee@example.com: ")
        catcher.terminate()
        assert catcher.wait(10) == 0
    [file] = (tmp_path / "mail").iterdir()
    assert file.suffix == ".eml" and "/" not in file.name
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert mail["Subject"] == "Hi" and mail.get_content().strip() == LONG


def test_busy_port_is_reported(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = manage("catch_mail", f"--port={port}", DATA_DIR=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stdout == f"CommandError: Port {port} is in use by another program. Choose another with --port.\n"


@pytest.mark.django_db(transaction=True)
@pytest.mark.storm
@pytest.mark.parametrize("busy", [False, True])
def test_serve_starts_catcher_unless_port_is_busy(tmp_path, busy):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1] if busy else free_port()
        ours = {"DATABASE_URL": test_database_url(), "DATA_DIR": str(tmp_path), "PORT": str(free_port())}
        with running("manage.py", "serve", "--no-worker", MAIL_CATCHER_PORT=str(port), **ours) as serve:
            told = wait_for_line(serve, "Outgoing email is not ")
            assert (f"another program listens on 127.0.0.1:{port}" in told) == busy, told
            if not busy:
                send(port)
                assert len(list((tmp_path / "mail").iterdir())) == 1
            assert wait_for_line(serve, "The CRM runs at")
            serve.terminate()
            assert serve.wait(40) == 0
