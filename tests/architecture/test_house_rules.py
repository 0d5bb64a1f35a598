"""The rules of the house hold over the whole tree, and a planted violation of each is caught."""

import ast
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from core.compliance import rules

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ("core", "metering", "billing", "channels", "bot", "actions", "crm_sync", "ops_admin")
LINT = pathlib.Path(sys.executable).parent / "lint-imports"
RUFF = pathlib.Path(sys.executable).parent / "ruff"

# contract id -> (file to plant in, what to plant)
PLANTS = {
    "floors": ("core/planted_floor.py", "import billing"),
    "core-rooms": ("core/accounts/planted.py", "import core.conversations.queries"),
    "inside-a-room": ("core/outages/queries.py", "import core.outages.operations"),
    "models-stay-home": ("channels/planted_models.py", "import core.accounts.models"),
    "models-stay-home-billing": ("billing/planted_models.py", "import metering.models"),
    "models-stay-home-metering": ("metering/planted_models.py", "import core.accounts.models"),
    "pure-arithmetic": ("billing/urdb.py", "import sqlalchemy"),
    "flask-at-the-doors": ("billing/planted_web.py", "import flask"),
    "rasa-sdk-in-actions": ("channels/planted_rasa.py", "import rasa_sdk"),
    "celery-on-top": ("metering/planted_queue.py", "import celery"),
    "wiring-picks-vendors": ("billing/planted_vendor.py", "import twilio"),
}


def _sources() -> list[pathlib.Path]:
    return [
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "assistant" not in path.parts and "versions" not in path.parts
    ]


def _lint(folder: pathlib.Path) -> str:
    done = subprocess.run(
        [str(LINT), "--no-cache"], cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(folder)}
    )
    return done.stdout + done.stderr


def test_imports_only_go_down() -> None:
    assert "0 broken" in _lint(ROOT)


def test_every_import_rule_catches_a_planted_violation(tmp_path: pathlib.Path) -> None:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=lambda _, names: [n for n in names if n in ("assistant", "__pycache__", "static", "templates")],
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    configured = set(re.findall(r'^id = "([a-z-]+)"', (ROOT / "pyproject.toml").read_text(), re.M))
    assert configured == set(PLANTS), "every contract has its plant, and every plant its contract"
    for file, code in PLANTS.values():
        with (tmp_path / file).open("a") as planted:
            planted.write(f"\n{code}  # planted\n")
    report = _lint(tmp_path)
    names = dict(re.findall(r'^id = "([a-z-]+)"\nname = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.M))
    for rule in PLANTS:
        assert re.search(re.escape(names[rule]) + r" BROKEN", report), (
            f"{rule} let its violation pass:\n{report[-3000:]}"
        )


def test_only_the_database_module_commits() -> None:
    guilty = [str(p.relative_to(ROOT)) for p in _sources() if re.search(r"\.commit\(", p.read_text())]
    assert guilty == ["core/db.py"]


@pytest.mark.parametrize(
    "line",
    [
        "from datetime import datetime\nx = datetime.now()",
        "from datetime import datetime, UTC\nx = datetime.now(UTC)",
        "import os\nx = os.environ",
        "import time\nx = time.time()",
        "from datetime import datetime\nx = datetime(2026, 1, 1)",
    ],
)
def test_no_clock_environment_or_naive_time_below_the_top_floor(line: str) -> None:
    done = subprocess.run(
        [str(RUFF), "check", "--select", "TID251,DTZ", "--stdin-filename", "core/planted.py", "-"],
        input=line + "\n", cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout


def test_rows_carry_no_logic() -> None:
    """A row is columns and constraints: no method but those SQLAlchemy asks for."""
    for path in _sources():
        if path.name != "models.py" or path.parent.name == "ops_admin":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                methods = [n.name for n in node.body if isinstance(n, ast.FunctionDef)]
                assert not methods, f"{path.relative_to(ROOT)}: {node.name} has {methods}"


def test_no_customer_sentence_outside_the_catalogues() -> None:
    """Replies are made of kinds: the code of actions and conversations hands no literal sentence to a Reply."""
    for path in _sources():
        if path.parts[len(ROOT.parts)] not in ("actions", "core"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "Reply":
                for argument in node.args[:1]:
                    if isinstance(argument, ast.Constant):
                        assert re.fullmatch(r"[a-z0-9_.]+", str(argument.value)), f"{path}: {argument.value!r}"


def test_what_no_code_asks_of_a_rule_is_said_to_be_for_people() -> None:
    known = {ROOT / "core/compliance/pack.py"}  # it names them all
    said = "\n".join(path.read_text() for path in _sources() if path not in known)
    packs = [rules.pack(file.stem.upper()) for file in (ROOT / "core/compliance/packs").glob("*.yaml")]
    for rule in (rule for pack in packs for rule in pack.rules):
        asked = [name for name in rule.values if name not in rule.unasked]
        assert not asked or f'"{rule.name}"' in said, rule.id
        for name in asked:
            assert re.search(rf'"{name}"|^    {name}: int$', said, re.MULTILINE), f"{rule.id}: {name}"
