"""`wattline meter`: files of reads, tried or loaded."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from core import errors
from metering import import_command, import_trial
from metering.formats import mapping

_CANNOT = 2
_SHOWN, _SHOWN_IN_JSON = 10, 100
_EVERY = 5.0  # seconds between two words on how far it is


@click.group("meter")
def meter() -> None:
    """Meters and their reads."""


@meter.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--dry-run", is_flag=True, help="Only say what would become of the reads. Needs no database.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each file.")
@click.option("--map", "mapped", multiple=True, help="A column of a CSV file, key=value, or a JSON file of them.")
@click.option("--meter", "number", default=None, help="The meter that the file's one usage point is.")
@click.option("--point", "points", multiple=True, help="ID=NUMBER: the meter that a usage point of the file is.")
@click.pass_obj
def import_(
    hub: Callable[[], Any],
    files: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
    mapped: tuple[str, ...],
    number: str | None,
    points: tuple[str, ...],
) -> None:
    """Read Green Button XML, CSV or JSON lines, alone or in gzip and zip archives.

    Each read is stored, unchanged, excepted (it cannot be right, or its meter is not known) or unreadable; one bad line
    never loses the others. What cannot be used is told with its line. The exit code is 0 when every file was gone
    through, whatever was excepted; 2 when there was one of which nothing could be read.

    \b
    Keys of --map: start end date time format zone interval value unit export direction register values meter
    quality delimiter decimal header. A column is its name or its number from 1.
      wattline meter import --map start=Zeit --map "value=Verbrauch kWh" --map zone=Europe/Berlin reads.csv
    """
    try:
        said = _columns(mapped)
        whose = import_command.Whose(number, dict(_pair(text) for text in points))
    except errors.Invalid as exc:
        raise click.UsageError(str(exc.data["reason"])) from None
    carrier = None if dry_run else hub()
    failed = False
    for path in files:
        progress = _Progress(path)
        try:
            if carrier is None:
                summary = import_command.trial(path, said, whose, progress)
            else:
                summary = import_command.load(carrier, path, said, whose, progress, now=datetime.now(UTC))
        except errors.Invalid as exc:
            failed = True
            click.echo(f"cannot read {path}: {exc.data.get('reason', exc.code)}", err=True)
            if as_json:
                click.echo(_json(path, import_trial.Summary(), str(exc.data.get("reason", exc.code))))
            continue
        progress.end()
        failed |= _is_unreadable(summary)
        click.echo(_json(path, summary) if as_json else _words(path, summary, dry_run))
        if _is_unreadable(summary):
            click.echo(f"cannot read {path}: {summary.notes[0].reason}", err=True)
    if failed:
        raise SystemExit(_CANNOT)


class _Progress:
    """Says on stderr how far a long file is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = time.monotonic() + _EVERY
        self._spoke = False

    def __call__(self, read: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            self._spoke = True
            click.echo(f"{self._path.name}: {read:,} reads so far", err=True)

    def end(self) -> None:
        if self._spoke:
            click.echo(f"{self._path.name}: done", err=True)


def _is_unreadable(summary: import_trial.Summary) -> bool:
    return 0 < summary.unreadable == summary.reads and not summary.points


def _columns(mapped: tuple[str, ...]) -> mapping.Columns | None:
    pairs: dict[str, str] = {}
    for text in mapped:
        if "=" in text:
            key, _, value = text.partition("=")
            pairs[key.strip().lower()] = value.strip()
            continue
        try:
            told = json.loads(Path(text).read_text())
        except (OSError, ValueError):
            raise errors.Invalid("map.wrong", reason=f"{text!r} is neither key=value nor a JSON file") from None
        if not isinstance(told, dict):
            raise errors.Invalid("map.wrong", reason=f"{text!r} is not a JSON object")
        pairs.update(told)
    return mapping.parse(pairs) if pairs else None


def _pair(text: str) -> tuple[str, str]:
    point, equals, number = text.rpartition("=")
    if not equals or not number:
        raise errors.Invalid("map.wrong", reason=f"--point {text!r} is not ID=NUMBER")
    return point, number


def _json(path: Path, summary: import_trial.Summary, error: str | None = None) -> str:
    notes = [
        {"line": note.line, "reason": note.reason, "count": note.count} | ({"part": note.part} if note.part else {})
        for note in summary.notes[:_SHOWN_IN_JSON]
    ]
    told = summary.as_json() | {"file": str(path), "exceptions": notes}
    return json.dumps(told | ({"error": error} if error else {}))


def _words(path: Path, summary: import_trial.Summary, dry_run: bool) -> str:
    told = summary.as_json()
    kwh = f"{summary.sum_wh / 1000:,.3f} kWh"
    lines = [
        f"{path}{' (dry run)' if dry_run else ''}",
        f"  usage points {told['usage_points']:>14,}   {told['first'] or '-'} to {told['last'] or '-'}   {kwh}",
    ]
    lines += [f"  {name:<12} {told[name]:>14,}" for name in ("reads", "stored", "unchanged", "excepted", "unreadable")]
    for note in summary.notes[:_SHOWN]:
        where = f"{note.part}, line {note.line}" if note.part else f"line {note.line}"
        lines.append(f"  {where}: {note.reason}" + (f" ({note.count:,} reads)" if note.count > 1 else ""))
    if len(summary.notes) > _SHOWN:
        lines.append(f"  and {len(summary.notes) - _SHOWN:,} more like these")
    return "\n".join(lines)
