"""Dovecot on loopback: a real IMAP server for tests, for root and ordinary users.

    with dovecot.start({"ann@agency.example": "secret"}, tls=True) as server:
        server.deliver("ann@agency.example", raw)

Without Dovecot, `dovecot.requires_dovecot` skips a test.
"""

import contextlib
import datetime
import ipaddress
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PROGRAM = shutil.which("dovecot") or next((path for path in ("/usr/sbin/dovecot",) if os.path.exists(path)), "")
requires_dovecot = pytest.mark.skipif(not PROGRAM, reason="Dovecot is not installed (apt install dovecot-imapd).")
TIMEOUT_SECONDS = 15.0
# Dovecot's index files of a folder; without them it renumbers the emails.
INDEX_FILES = ("dovecot-uidlist", "dovecot.index*", "dovecot-uidvalidity*")
PADDING = b"x" * 98 + b"\r\n"
CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_process_limit = 50
first_valid_uid = 1
first_valid_gid = 0
mail_location = maildir:{home}/mail/%u
mail_fsync = never
mail_save_crlf = yes
mail_max_userip_connections = 40
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
{ssl}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox {sent} {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
}}
"""


class Dovecot:
    """A running server: `port` is plain (with STARTTLS if `tls`), `tls_port` is encrypted.

    `certificate` is the path of its certificate, for clients that should trust it.
    """

    def __init__(self, home: Path, users: dict[str, str], *, tls: bool, names: tuple[str, ...], sent: str) -> None:
        self.home, self.users, self.tls, self.sent = home, users, tls, sent
        self.host, self.certificate = "127.0.0.1", home / "certificate.pem"
        self.port, self.tls_port = free_ports(2 if tls else 1) if tls else (*free_ports(1), 0)
        self.account = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self.numbers, self.process = itertools.count(1), None
        if tls:
            write_certificate(self.certificate, home / "key.pem", names)
        self.configure()

    def configure(self) -> None:
        ssl = f"ssl = yes\nssl_cert = <{self.certificate}\nssl_key = <{self.home}/key.pem" if self.tls else "ssl = no"
        values = {
            "home": self.home,
            "user": self.account.pw_name,
            "group": group_name(self.account.pw_gid),
            "port": self.port,
            "tls_port": self.tls_port,
            "sent": f'"{self.sent}"',
            "ssl": ssl,
        }
        (self.home / "dovecot.conf").write_text(CONFIG.format(**values))
        (self.home / "users").write_text("".join(f"{user}:{password}\n" for user, password in self.users.items()))
        for user in self.users:
            for part in ("cur", "new", "tmp"):
                (self.maildir(user) / part).mkdir(parents=True)
        self.change_owner(self.home)

    def change_owner(self, path: Path) -> None:
        """Give `path` and its contents to the server's account."""
        if os.getuid() == 0:
            for one in (path, *path.rglob("*")):
                os.chown(one, self.account.pw_uid, self.account.pw_gid)

    def run(self) -> None:
        drop = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        self.process = subprocess.Popen(
            [PROGRAM, "-F", "-c", str(self.home / "dovecot.conf")],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **(drop if os.getuid() == 0 else {}),
        )
        until = time.monotonic() + TIMEOUT_SECONDS
        while not is_answering(self.host, self.port):
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise AssertionError(f"Dovecot does not start: {self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server; `run` starts it again with its data."""
        self.process.terminate()
        try:
            self.process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        """Return the end of its log."""
        path = self.home / "log"
        return path.read_text()[-2_000:] if path.exists() else "no log"

    # Contents

    def maildir(self, user: str, folder: str = "INBOX") -> Path:
        """Return the Maildir of `folder`."""
        home = self.home / "mail" / user
        return home if folder == "INBOX" else home / ("." + folder.replace("/", "."))

    def deliver(self, user: str, raw: bytes, folder: str = "INBOX", *, seen: bool = False, padding: int = 0) -> None:
        """Deliver an email to `folder` like a mail server, padded with `padding` bytes."""
        folder_path = self.maildir(user, folder)
        if not folder_path.exists():
            for part in ("cur", "new", "tmp"):
                (folder_path / part).mkdir(parents=True)
            self.change_owner(folder_path)
        name = f"{int(time.time())}.{next(self.numbers)}.test"
        path = folder_path / "tmp" / name
        with path.open("wb") as file:
            file.write(raw)
            for _ in range(padding // len(PADDING)):
                file.write(PADDING)
        self.change_owner(path)
        path.rename(folder_path / "cur" / f"{name}:2,S" if seen else folder_path / "new" / name)

    def emails(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """Return the emails of `folder`, in order of arrival."""
        folder_path = self.maildir(user, folder)
        paths = [path for part in ("cur", "new") for path in (folder_path / part).glob("*")]
        return [path.read_bytes() for path in sorted(paths, key=delivery_order)]

    def flags(self, user: str, folder: str = "INBOX") -> list[str]:
        """Return the flags of each email of `folder` in order (S: seen; none if unseen)."""
        folder_path = self.maildir(user, folder)
        paths = [path for part in ("cur", "new") for path in (folder_path / part).glob("*")]
        return [path.name.partition(":2,")[2] for path in sorted(paths, key=delivery_order)]

    def clear_mailboxes(self) -> None:
        """Empty every mailbox."""
        for user in self.users:
            shutil.rmtree(self.maildir(user))
            for part in ("cur", "new", "tmp"):
                (self.maildir(user) / part).mkdir(parents=True)
            self.change_owner(self.maildir(user))

    def renumber(self, user: str, folder: str = "INBOX") -> None:
        """Make the server renumber the emails under a new UIDVALIDITY."""
        self.stop()
        for place in {self.maildir(user, folder), self.maildir(user)}:
            for pattern in INDEX_FILES:
                for path in place.glob(pattern):
                    path.unlink()
        # UIDVALIDITY is derived from the current second.
        time.sleep(1.1)
        self.run()


def delivery_order(path: Path) -> tuple[str, int]:
    parts = path.name.split(".")
    return parts[0], int(parts[1]) if parts[1].isdigit() else 0


@contextlib.contextmanager
def start_dovecot(
    users: dict[str, str], *, tls: bool = False, names: tuple[str, ...] = ("localhost", "127.0.0.1"), sent: str = "Sent"
) -> Iterator[Dovecot]:
    """Start an IMAP server with a mailbox for each of `users` (name to password).

    With `tls` it uses a self-signed certificate for `names`. `sent` is its folder for sent email.
    """
    # Not below pytest's folder: a socket path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="dovecot-", ignore_cleanup_errors=True) as folder:
        server = Dovecot(Path(folder), users, tls=tls, names=names, sent=sent)
        server.run()
        try:
            yield server
        finally:
            server.stop()


def free_ports(count: int) -> tuple[int, ...]:
    """Return free ports."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(one.getsockname()[1] for one in sockets)


def is_answering(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), 1) as connection:
            return connection.recv(4) == b"* OK"
    except OSError:
        return False


def group_name(gid: int) -> str:
    return next(line.split(":")[0] for line in Path("/etc/group").read_text().splitlines() if f":{gid}:" in line)


def write_certificate(path: Path, key_path: Path, names: tuple[str, ...]) -> None:
    """Write a self-signed certificate for `names` and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )


def alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
