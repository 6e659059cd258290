"""`manage.py catch_mail`, alone and as a part of `serve`: each mail becomes a file."""

import email
import email.policy
import smtplib
import socket

import pytest

from tests.crm.processes import line_with, manage, running, url_of_test_database

LONG = "x" * 5_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def send(port):
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
        server.sendmail("a@b.example", ["lee@example.com"], f"Message-ID: <../../x@y>\nSubject: Hi\n\n{LONG}\n")


def test_it_writes_each_mail_into_a_file_and_says_where(tmp_path):
    port = free_port()
    with running("manage.py", "catch_mail", f"--port={port}", DATA_DIR=str(tmp_path)) as catcher:
        assert line_with(catcher, "are written to")
        send(port)
        assert line_with(catcher, "A mail to lee@example.com: ")
        catcher.terminate()
        assert catcher.wait(10) == 0
    [file] = (tmp_path / "mail").iterdir()
    assert file.suffix == ".eml" and "/" not in file.name
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert mail["Subject"] == "Hi" and mail.get_content().strip() == LONG


def test_a_busy_port_is_told_in_a_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = manage("catch_mail", f"--port={port}", DATA_DIR=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stdout == f"CommandError: Port {port} is in use by another program: choose another with --port.\n"


@pytest.mark.django_db(transaction=True)
@pytest.mark.storm
@pytest.mark.parametrize("busy", [False, True])
def test_serve_catches_our_mail_unless_somebody_else_does(tmp_path, busy):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1] if busy else free_port()
        ours = {"DATABASE_URL": url_of_test_database(), "DATA_DIR": str(tmp_path), "PORT": str(free_port())}
        with running("manage.py", "serve", "--no-worker", MAIL_CATCHER_PORT=str(port), **ours) as serve:
            told = line_with(serve, "Mails ")
            assert (f"another program listens on 127.0.0.1:{port}" in told) == busy, told
            if not busy:
                send(port)
                assert len(list((tmp_path / "mail").iterdir())) == 1
            assert line_with(serve, "The CRM is at")
            serve.terminate()
            assert serve.wait(40) == 0
