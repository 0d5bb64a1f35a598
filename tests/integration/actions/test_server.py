"""The door itself: a real process on loopback, the token, the contract of rasa-sdk, and a clean end on SIGTERM."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests

SERVE = """
import sys
from types import SimpleNamespace
from actions import server
from core.settings import Settings
server.serve(SimpleNamespace(settings=Settings(rasa_token="secret")), "127.0.0.1", int(sys.argv[1]))
"""


@pytest.fixture
def door() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port)], env={**os.environ, "PYTHONPATH": "."})
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            requests.get(f"{url}/health", timeout=1)
            break
        except requests.ConnectionError:
            assert process.poll() is None
            time.sleep(0.1)
    yield url, process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_the_door_asks_for_the_token_and_closes_when_told(door: tuple[str, subprocess.Popen[bytes]]) -> None:
    url, process = door
    assert requests.get(f"{url}/health", timeout=5).json() == {"status": "ok"}
    call = {"next_action": "action_nobody", "sender_id": "x", "tracker": {"sender_id": "x"}, "domain": {}}
    assert requests.post(f"{url}/webhook", json=call, timeout=5).status_code == 401
    key = {"Authorization": "Bearer secret"}
    assert requests.post(f"{url}/webhook", json=call, headers=key, timeout=5).status_code == 404
    assert requests.post(f"{url}/webhook?token=secret", json=call, timeout=5).status_code == 404
    assert requests.post(f"{url}/webhook", data=b"{", headers=key, timeout=5).status_code == 400
    names = [action["name"] for action in requests.get(f"{url}/actions", headers=key, timeout=5).json()]
    assert "action_check_balance" in names
    # no database behind this door: the action fails, and still says so instead of falling silent
    call["next_action"] = "action_greet"
    said = requests.post(f"{url}/webhook", json=call, headers=key, timeout=5).json()
    assert said["responses"][0]["custom"] == {
        "kind": "error.internal",
        "data": {"handed_over": False},
        "choices": [],
    }
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
