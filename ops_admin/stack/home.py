"""The stack's home: a folder that keeps the data, the secrets it made up, and the ports it chose."""

import hashlib
import json
import os
import pathlib
import secrets
import socket
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ops_admin.stack import embedded

_PREFERRED_PORTS = {"web": 8080, "sandbox": 8090}
_PORTS = ("web", "sandbox", "assistant", "actions", "postgres", "valkey")
ASSISTANTS = int(os.environ.get("WATTLINE_ASSISTANTS", "1"))  # as many processes of the assistant


class Home:
    """`path` holds everything; removing it starts anew. `state.json` in it is readable by this account alone."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.run_file = self.path / "run.json"

    @property
    def servers(self) -> pathlib.Path:
        """Where the servers' data lies. Run as root inside a closed folder, PostgreSQL's own account could not
        reach the home, so the data lies in /var/lib instead, under a name made from the home's."""
        if os.geteuid() != 0 or _open_to_others(self.path):
            return self.path
        return pathlib.Path("/var/lib/wattline") / hashlib.sha256(str(self.path).encode()).hexdigest()[:12]

    def open(self) -> dict[str, Any]:
        """This will make the folder and its state where they are missing, and give the state."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.servers.mkdir(parents=True, exist_ok=True)
        file = self.path / "state.json"
        state: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        state["secrets"] = {**_secrets(), **state.get("secrets", {})}  # a home of before may lack the newest
        state["ports"] = _ports(state.get("ports", {}))
        file.touch(mode=0o600)
        file.write_text(json.dumps(state, indent=2))
        return state

    def running(self) -> bool:
        """This will say whether a supervisor holds this home now; what a killed one left behind does not count."""
        try:
            pid = int(json.loads(self.run_file.read_text())["supervisor"])
            return "demo" in pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except (OSError, ValueError, KeyError):
            return False

    def environment(self) -> dict[str, str]:
        """This will give the settings of the demonstration that runs here now; none when none does."""
        return dict(json.loads(self.run_file.read_text())["environment"]) if self.running() else {}

    def write_run(self, run: dict[str, Any]) -> None:
        """This will say, for scripts and tests, what runs where and under which process ids."""
        temporary = self.run_file.with_suffix(".new")
        temporary.write_text(json.dumps(run, indent=2))
        temporary.replace(self.run_file)


def assistants() -> list[str]:
    """This will name the processes of the assistant: one, or as many as WATTLINE_ASSISTANTS says."""
    return ["assistant", *(f"assistant-{number}" for number in range(2, ASSISTANTS + 1))]


def default_path() -> pathlib.Path:
    """This will give the home named by WATTLINE_HOME, or `.wattline` here."""
    return pathlib.Path(os.environ.get("WATTLINE_HOME", ".wattline"))


def _secrets() -> dict[str, str]:
    return {
        "secret_key": secrets.token_urlsafe(32),
        "rasa_token": secrets.token_urlsafe(24),
        "twilio_account_sid": "AC" + secrets.token_hex(16),
        "twilio_auth_token": secrets.token_hex(16),
        "sendgrid_api_key": "SG." + secrets.token_urlsafe(24),
        "hubspot_access_token": "pat-" + secrets.token_hex(16),
        "hubspot_client_secret": secrets.token_hex(16),
        "stripe_api_key": "sk_test_" + secrets.token_hex(16),
        "stripe_webhook_secret": "whsec_" + secrets.token_hex(16),
        "cash_webhook_secret": secrets.token_hex(16),
        "sendgrid_event_private_key": _key(),
        "sendgrid_inbound_private_key": _key(),
    }


def public_half(private_pem: str) -> str:
    """This will give the public key of a private one, as vendors print it: base64 DER without its frame."""
    key = serialization.load_pem_private_key(private_pem.encode(), password=None)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "".join(pem.decode().splitlines()[1:-1])


def _key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _ports(known: dict[str, int]) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for name in (*_PORTS, *assistants()[1:]):
        wanted = int(os.environ.get(f"WATTLINE_{name.upper()}_PORT", 0))
        candidates = [wanted] if wanted else [known.get(name, 0), _PREFERRED_PORTS.get(name, 0)]
        free = next((port for port in candidates if port and _free(port) and port not in chosen.values()), None)
        if wanted and free is None:
            raise RuntimeError(f"port {wanted} (WATTLINE_{name.upper()}_PORT) is taken")
        chosen[name] = free or embedded.free_port()
    return chosen


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _open_to_others(path: pathlib.Path) -> bool:
    existing = path if path.exists() else path.parent
    return all(folder.stat().st_mode & 0o001 for folder in (existing, *existing.parents))
