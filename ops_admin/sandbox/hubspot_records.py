"""The records of the HubSpot twin: written with its rules, associated, merged, and searched with its lag."""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ops_admin.sandbox import hubspot_events as events
from ops_admin.sandbox import hubspot_schema as schema
from ops_admin.sandbox.world import World, iso

Record = dict[str, Any]
_MOST_UNIQUE = 10


class Refusal(Exception):
    """HubSpot's own no, with its HTTP status and category."""

    def __init__(self, status: int, category: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.category, self.message, self.context = status, category, message, context or {}

    def body(self) -> dict[str, Any]:
        return {
            "status": "error", "message": self.message, "correlationId": str(uuid.uuid4()),
            "category": self.category, **({"context": self.context} if self.context else {}),
        }  # fmt: skip


def properties(world: World, kind: str) -> dict[str, dict[str, Any]]:
    """This will give every property of a type, by name."""
    own = {item["name"]: item for item in world.store.find("property", "type", kind)}
    return {**schema.built_in(kind), **own}


def define(world: World, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """This will create a property; 409 when it is there."""
    name = str(given.get("name") or "")
    for needed in ("name", "label", "type", "fieldType", "groupName"):
        if not given.get(needed):
            raise Refusal(400, "VALIDATION_ERROR", f"Invalid input JSON: property {needed} is required")
    known = properties(world, kind)
    if name in known:
        raise Refusal(409, "OBJECT_ALREADY_EXISTS", f"A property named '{name}' already exists.")
    unique = bool(given.get("hasUniqueValue"))
    if unique and sum(item["hasUniqueValue"] for item in known.values() if not item["hubspotDefined"]) >= _MOST_UNIQUE:
        raise Refusal(400, "VALIDATION_ERROR", "An object type can have at most 10 unique properties.")
    now = iso(world.now())
    full = {
        "description": "", "options": [], "hidden": False, "displayOrder": -1, "calculated": False,
        "externalOptions": False, "formField": False, **given, "hasUniqueValue": unique, "hubspotDefined": False,
        "createdAt": now, "updatedAt": now, "archived": False,
        "modificationMetadata": {"archivable": True, "readOnlyDefinition": False, "readOnlyValue": False},
    }  # fmt: skip
    return world.store.put("property", f"{kind}:{name}", full, type=kind)


def find(world: World, kind: str, key: str, by: str | None = None) -> Record | None:
    """This will find a living record by id, or by a unique property; a merged id leads to the survivor."""
    if by and by != "hs_object_id":
        _unique(world, kind, by)
        found = world.store.find(f"crm:{kind}", by, key.lower() if by == "email" else key)
        return found[0] if found else None
    record = world.store.get(f"crm:{kind}", key)
    if record is None and (moved := world.store.get("crm-merged", f"{kind}:{key}")):
        return find(world, kind, moved["to"])
    return None if record is None or record["archived"] else record


def get(world: World, kind: str, key: str, by: str | None = None) -> Record:
    record = find(world, kind, key, by)
    if record is None:
        raise Refusal(404, "OBJECT_NOT_FOUND", "resource not found")
    return record


def create(
    world: World,
    kind: str,
    given: Mapping[str, Any],
    associations: Sequence[Mapping[str, Any]] = (),
    source: str = "INTEGRATION",
) -> Record:
    """This will create a record, with the associations given on creation."""
    with world.store.change():
        values = _checked(world, kind, given)
        for needed in schema.REQUIRED.get(kind, ()):
            if not values.get(needed):
                raise Refusal(
                    400, "VALIDATION_ERROR",
                    f'Error creating {schema.TYPES[kind]}. Some required properties were not set.',
                    {"properties": [needed]},
                )  # fmt: skip
        if kind == "tickets":
            values.setdefault("hs_pipeline", schema.PIPELINE)
        _no_twin(world, kind, values, None)
        now = world.now()
        key = str(world.store.next("crm", 30_100_001))
        record = {
            "id": key, "type": kind, "properties": {}, "created": now, "updated": now, "archived": False, "history": [],
        }  # fmt: skip
        _write(world, record, values, now)
        for item in associations:
            target = str((item.get("to") or {}).get("id", ""))
            for sort in item.get("types") or []:
                _associate_typed(world, kind, key, target, sort)
    events.happened(world, kind, "creation", key, source)
    for name, value in values.items():
        events.changed(world, kind, key, name, value, source)
    return record


def update(world: World, kind: str, record: Record, given: Mapping[str, Any], source: str = "INTEGRATION") -> Record:
    """This will change a record's properties; a value that is the same changes nothing and tells nobody."""
    with world.store.change():
        record = get(world, kind, record["id"])
        values = _checked(world, kind, given)
        _no_twin(world, kind, values, record["id"])
        fresh = {name: value for name, value in values.items() if record["properties"].get(name) != value}
        _write(world, record, values, world.now())
    for name, value in fresh.items():
        events.changed(world, kind, record["id"], name, value, source)
    return record


def archive(world: World, kind: str, key: str) -> None:
    with world.store.change():
        record = find(world, kind, key)
        if record is None:
            return
        record.update(archived=True, updated=world.now())
        world.store.put(f"crm:{kind}", record["id"], record)
    events.happened(world, kind, "deletion", record["id"], "INTEGRATION")


def upsert(world: World, kind: str, inputs: Sequence[Mapping[str, Any]]) -> tuple[list[Record], list[Refusal]]:
    """This will create or update up to 100 records by a unique property. By e-mail it is all or nothing."""
    with world.store.change():
        done: list[Record] = []
        refused: list[Refusal] = []
        seen: set[tuple[str, str]] = set()
        for item in inputs:
            by, key = item.get("idProperty") or "hs_object_id", str(item.get("id", ""))
            if (by, key.lower()) in seen:
                raise Refusal(400, "VALIDATION_ERROR", "Duplicate IDs found in batch input: [" + key + "]")
            seen.add((by, key.lower()))
            try:
                found = find(world, kind, key, by)
                values = {**(item.get("properties") or {}), **({by: key} if by != "hs_object_id" else {})}
                if found is None and by == "hs_object_id":
                    raise Refusal(404, "OBJECT_NOT_FOUND", f"Could not get some {kind}: {key}")
                record = update(world, kind, found, values) if found else create(world, kind, values)
                done.append({**record, "new": found is None})
            except Refusal as refusal:
                if by == "email":
                    raise  # partial upserts are not supported when the id is the e-mail address
                refusal.context = {**refusal.context, "id": [key]}
                refused.append(refusal)
    return done, refused


def merge(world: World, kind: str, primary: str, other: str) -> Record:
    """This will merge two records into a third with a new id, as HubSpot does by default."""
    with world.store.change():
        first, second = get(world, kind, primary), get(world, kind, other)
        if first["id"] == second["id"]:
            raise Refusal(400, "VALIDATION_ERROR", "Cannot merge a record with itself.")
        values = {**second["properties"], **first["properties"]}
        if kind == "contacts" and second["properties"].get("email") not in (None, values.get("email")):
            values["hs_additional_emails"] = second["properties"]["email"]
        links = _links(world, kind, first["id"]) + _links(world, kind, second["id"])
        for old in (first, second):
            world.store.delete(f"crm:{kind}", old["id"])
        key, now = str(world.store.next("crm", 30_100_001)), world.now()
        record = {"id": key, "type": kind, "properties": {}, "created": first["created"], "updated": now,
                  "archived": False, "history": []}  # fmt: skip
        _write(world, record, values, now)
        for old in (first, second):
            world.store.put("crm-merged", f"{kind}:{old['id']}", {"to": key})
        for link in links:
            unlink(world, link)
            associate(world, kind, key, link["to_type"], link["to"])
    events.merged(world, kind, first["id"], [second["id"]], key)
    return record


def shown(world: World, record: Record, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """This will show a record as the API does; asked for nothing, it shows everything that has a value."""
    values: dict[str, Any] = {
        **({name: record["properties"].get(name) for name in wanted} if wanted else record["properties"]),
        "hs_object_id": record["id"],
        "createdate": iso(record["created"]),
        "lastmodifieddate" if record["type"] == "contacts" else "hs_lastmodifieddate": iso(record["updated"]),
    }
    body = {
        "id": record["id"], "properties": values, "createdAt": iso(record["created"]),
        "updatedAt": iso(record["updated"]), "archived": record["archived"],
    }  # fmt: skip
    return {**body, "new": record["new"]} if "new" in record else body


def associate(world: World, kind: str, key: str, to_type: str, to: str, type_id: int | None = None) -> None:
    """This will associate two records, both ways."""
    default = schema.ASSOCIATIONS.get((kind, to_type))
    if default is None or (type_id is not None and type_id not in (default, 0)):
        raise Refusal(400, "VALIDATION_ERROR", f"Association type {type_id} is not valid between {kind} and {to_type}")
    get(world, kind, key), get(world, to_type, to)
    for left_type, left, right_type, right in ((kind, key, to_type, to), (to_type, to, kind, key)):
        world.store.put(
            "link", f"{left_type}:{left}:{right_type}:{right}",
            {"from_type": left_type, "from": left, "to_type": right_type, "to": right,
             "type_id": schema.ASSOCIATIONS[(left_type, right_type)]},
            source=f"{left_type}:{left}", between=f"{left_type}:{left}:{right_type}",
        )  # fmt: skip


def associated(world: World, kind: str, key: str, to_type: str) -> list[dict[str, Any]]:
    return world.store.find("link", "between", f"{kind}:{key}:{to_type}")


def unlink(world: World, link: Mapping[str, Any]) -> None:
    world.store.delete("link", f"{link['from_type']}:{link['from']}:{link['to_type']}:{link['to']}")
    world.store.delete("link", f"{link['to_type']}:{link['to']}:{link['from_type']}:{link['from']}")


def search(world: World, kind: str, asked: Mapping[str, Any]) -> tuple[list[Record], int]:
    """This will search as HubSpot does: in an index that lags behind the records."""
    lag = float(world.switches.of("hubspot")["search_lag_seconds"])
    horizon = world.now() - lag
    seen = [image for record in world.store.all(f"crm:{kind}") if (image := _as_indexed(record, horizon))]
    groups = asked.get("filterGroups") or []
    if len(groups) > 5 or any(len(group.get("filters") or []) > 6 for group in groups):
        raise Refusal(400, "VALIDATION_ERROR", "Too many filter groups or filters.")
    if groups:
        seen = [item for item in seen if any(_in_group(item, group) for group in groups)]
    if words := str(asked.get("query") or "").lower().split():
        seen = [
            item for item in seen
            if all(word in " ".join(map(str, item["properties"].values())).lower() for word in words)
        ]  # fmt: skip
    for sort in reversed(asked.get("sorts") or []):
        name = sort if isinstance(sort, str) else sort.get("propertyName", "")
        down = not isinstance(sort, str) and sort.get("direction") == "DESCENDING"
        seen.sort(key=lambda item: _comparable(_value(item, name)), reverse=down)
    return seen, len(seen)


def _write(world: World, record: Record, values: Mapping[str, str], now: float) -> None:
    if record["properties"]:
        record["history"] = [*record["history"][-4:], {"at": record["updated"], "properties": record["properties"]}]
    kept = {**record["properties"], **values}
    record.update(properties={name: value for name, value in kept.items() if value != ""}, updated=now)
    entries = {
        name: record["properties"].get(name)
        for name, item in properties(world, record["type"]).items()
        if item["hasUniqueValue"]
    }
    if entries.get("email"):
        entries["email"] = str(entries["email"]).lower()
    world.store.put(f"crm:{record['type']}", record["id"], record, **entries)
    for more in str(record["properties"].get("hs_additional_emails", "")).split(";"):
        if more and record["type"] == "contacts":
            world.store.put("crm-mail", more.lower(), {"id": record["id"]})


def _checked(world: World, kind: str, given: Mapping[str, Any]) -> dict[str, str]:
    known = properties(world, kind)
    wrong: list[dict[str, Any]] = []
    values: dict[str, str] = {}
    for name, value in given.items():
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        if name not in known:
            wrong.append(_wrong(name, f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST"))
            continue
        allowed = [option["value"] for option in known[name].get("options") or []]
        if text and allowed and not set(text.split(";")) <= set(allowed):
            wrong.append(_wrong(name, f"{text} was not one of the allowed options: {allowed}", "INVALID_OPTION"))
        if name == "email" and kind == "contacts" and text and "@" not in text:
            wrong.append(_wrong(name, f"Email address {text} is invalid", "INVALID_EMAIL"))
        if name == "hs_pipeline_stage" and text not in [stage for stage, _, _ in schema.STAGES]:
            wrong.append(_wrong(name, f"{text} is not a valid pipeline stage", "INVALID_OPTION"))
        if len(text) > 65_536:
            wrong.append(_wrong(name, f"{name} is longer than 65536 characters", "VALUE_TOO_LONG"))
        if known[name]["type"] == "datetime" and text:
            text = _instant_text(name, text, wrong)
        values[name] = text.lower() if name == "email" and kind == "contacts" else text
    if wrong:
        raise Refusal(400, "VALIDATION_ERROR", f"Property values were not valid: {json.dumps(wrong)}")
    return values


def _instant_text(name: str, text: str, wrong: list[dict[str, Any]]) -> str:
    if text.isdigit():
        return iso(int(text) / 1000)
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return iso((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except ValueError:
        wrong.append(_wrong(name, f"{text} was not a valid long.", "INVALID_LONG"))
        return text


def _wrong(name: str, message: str, error: str) -> dict[str, Any]:
    return {"isValid": False, "message": message, "error": error, "name": name}


def _no_twin(world: World, kind: str, values: Mapping[str, str], own: str | None) -> None:
    for name, item in properties(world, kind).items():
        value = values.get(name)
        if not item["hasUniqueValue"] or not value:
            continue
        others = [found["id"] for found in world.store.find(f"crm:{kind}", name, value)]
        if kind == "contacts" and name == "email" and (second := world.store.get("crm-mail", value)):
            others.append(second["id"])
        others = [other for other in others if other != own]
        if not others:
            continue
        if name == "email":
            raise Refusal(409, "CONFLICT", f"Contact already exists. Existing ID: {others[0]}")
        wrong = _wrong(name, f"{others[0]} already has that value.", "CONFLICTING_UNIQUE_VALUE")
        raise Refusal(400, "VALIDATION_ERROR", f"Property values were not valid: {json.dumps([wrong])}")


def _unique(world: World, kind: str, name: str) -> None:
    item = properties(world, kind).get(name)
    if item is None or not item["hasUniqueValue"]:
        raise Refusal(400, "VALIDATION_ERROR", f"Property {name} is not a unique identifier property")


def _associate_typed(world: World, kind: str, key: str, target: str, sort: Mapping[str, Any]) -> None:
    number = int(sort.get("associationTypeId", 0))
    for (left, right), known in schema.ASSOCIATIONS.items():
        if left == kind and known == number:
            associate(world, kind, key, right, target, number)
            return
    raise Refusal(400, "VALIDATION_ERROR", f"Association type {number} does not exist for {kind}")


def _links(world: World, kind: str, key: str) -> list[dict[str, Any]]:
    return world.store.find("link", "source", f"{kind}:{key}")


def _as_indexed(record: Record, horizon: float) -> Record | None:
    if record["archived"]:
        return None
    if record["updated"] <= horizon:
        return record
    older = [item for item in record["history"] if item["at"] <= horizon]
    return {**record, "properties": older[-1]["properties"]} if older else None


def _value(item: Record, name: str) -> str | None:
    if name == "hs_object_id":
        return str(item["id"])
    if name in ("createdate", "hs_createdate"):
        return iso(item["created"])
    if name in ("lastmodifieddate", "hs_lastmodifieddate"):
        return iso(item["updated"])
    value = item["properties"].get(name)
    return None if value is None else str(value)


def _comparable(value: str | None) -> tuple[int, float, str]:
    if value is None:
        return (0, 0.0, "")
    try:
        return (1, float(value), "")
    except ValueError:
        pass
    try:
        return (1, datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000, "")
    except ValueError:
        return (2, 0.0, value.lower())


def _in_group(item: Record, group: Mapping[str, Any]) -> bool:
    return all(_passes(item, one) for one in group.get("filters") or [])


def _passes(item: Record, one: Mapping[str, Any]) -> bool:
    value, operator = _value(item, str(one.get("propertyName"))), one.get("operator")
    asked = str(one.get("value", ""))
    if operator == "HAS_PROPERTY":
        return value is not None
    if operator == "NOT_HAS_PROPERTY":
        return value is None
    if operator in ("NEQ", "NOT_IN"):
        values = one.get("values") or [asked]
        return value is None or value.lower() not in [str(other).lower() for other in values]
    if value is None:
        return False
    if operator in ("EQ", "IN"):
        return value.lower() in [str(other).lower() for other in (one.get("values") or [asked])]
    if operator == "CONTAINS_TOKEN":
        return asked.strip("*").lower() in value.lower()
    mine, theirs = _comparable(value), _comparable(asked)
    if operator == "BETWEEN":
        return theirs <= mine <= _comparable(str(one.get("highValue", "")))
    results = {"LT": mine < theirs, "LTE": mine <= theirs, "GT": mine > theirs, "GTE": mine >= theirs}
    if operator not in results:
        raise Refusal(400, "VALIDATION_ERROR", f"Invalid operator {operator}")
    return results[operator]
