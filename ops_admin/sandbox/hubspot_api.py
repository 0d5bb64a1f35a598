"""HubSpot's CRM API: objects, batches, search, properties, pipelines, owners and associations, v3, v4 and dated."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ops_admin.sandbox import hubspot_inbox, signing, switches
from ops_admin.sandbox import hubspot_records as records
from ops_admin.sandbox import hubspot_schema as schema
from ops_admin.sandbox.hubspot_limits import Limits
from ops_admin.sandbox.hubspot_records import Refusal
from ops_admin.sandbox.world import World, guard_loss, iso

Answer = Response | tuple[Response, int]
_BATCH = 100


def blueprint(world: World) -> Blueprint:
    """This will give the twin of api.hubapi.com."""
    pages = Blueprint("hubspot", __name__, url_prefix="/hubspot")
    limits = Limits(world.switches)
    guard_loss(pages, world, "hubspot")

    @pages.before_request
    def guard() -> Response | None:
        trouble = switches.pause_or_fail(world.switches.of("hubspot"))
        if trouble == 503:
            return _refused(Refusal(503, "SERVICE_UNAVAILABLE", "Service temporarily unavailable"))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not signing.same(token, world.config.hubspot_access_token):
            return _refused(Refusal(401, "INVALID_AUTHENTICATION", "Authentication credentials not found."))
        return limits.refuse(request.path.endswith("/search"))

    @pages.after_request
    def tell(response: Response) -> Response:
        response.headers.update(limits.headers(request.path.endswith("/search")))
        return response

    pages.register_error_handler(Refusal, _refused)
    _objects(pages, world)
    _batches(pages, world)
    _definitions(pages, world)
    _associations(pages, world)
    hubspot_inbox.add(pages, world)
    return pages


def _refused(refusal: Refusal) -> Response:
    answer = jsonify(refusal.body())
    answer.status_code = refusal.status
    return answer


def _kind(given: str) -> str:
    kind = schema.type_name(given)
    if kind is None:
        raise Refusal(400, "VALIDATION_ERROR", f"Unable to infer object type from: {given}")
    return kind


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refusal(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 1")
    return body


def _wanted() -> list[str]:
    return [name for part in request.args.getlist("properties") for name in part.split(",") if name]


def _both(rule: str) -> tuple[str, str]:
    """The numbered versions and the dated ones put the version in different places."""
    return f"/crm/<version>/objects{rule}", f"/crm/objects/<version>{rule}"


def _route(pages: Blueprint, rule: str, *methods: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    def add(view: Callable[..., Answer]) -> Callable[..., Answer]:
        for number, full in enumerate(_both(rule)):
            pages.add_url_rule(full, f"{view.__name__}_{number}", view, methods=list(methods))
        return view

    return add


def _objects(pages: Blueprint, world: World) -> None:
    @_route(pages, "/<kind>", "POST")
    def create(version: str, kind: str) -> Answer:
        body = _body()
        record = records.create(world, _kind(kind), body.get("properties") or {}, body.get("associations") or ())
        return jsonify(records.shown(world, record)), 201

    @_route(pages, "/<kind>", "GET")
    def page(version: str, kind: str) -> Answer:
        name = _kind(kind)
        living = [item for item in world.store.all(f"crm:{name}") if not item["archived"]]
        return _paged(living, lambda item: _with_links(item), request.args)

    @_route(pages, "/<kind>/<key>", "GET")
    def get(version: str, kind: str, key: str) -> Answer:
        return jsonify(_with_links(records.get(world, _kind(kind), key, request.args.get("idProperty"))))

    @_route(pages, "/<kind>/<key>", "PATCH")
    def change(version: str, kind: str, key: str) -> Answer:
        name = _kind(kind)
        record = records.get(world, name, key, request.args.get("idProperty"))
        return jsonify(records.shown(world, records.update(world, name, record, _body().get("properties") or {})))

    @_route(pages, "/<kind>/<key>", "DELETE")
    def archive(version: str, kind: str, key: str) -> Answer:
        records.archive(world, _kind(kind), key)
        return Response(status=204)

    @_route(pages, "/<kind>/search", "POST")
    def search(version: str, kind: str) -> Answer:
        body = _body()
        found, total = records.search(world, _kind(kind), body)
        names = body.get("properties") or []
        return _paged(found, lambda item: records.shown(world, item, names), body, total, most=200)

    @_route(pages, "/<kind>/merge", "POST")
    def merge(version: str, kind: str) -> Answer:
        body = _body()
        record = records.merge(world, _kind(kind), str(body.get("primaryObjectId")), str(body.get("objectIdToMerge")))
        return jsonify(records.shown(world, record))

    @_route(pages, "/<kind>/gdpr-delete", "POST")
    def forget(version: str, kind: str) -> Answer:
        body = _body()
        found = records.find(world, _kind(kind), str(body.get("objectId")), body.get("idProperty"))
        if found:
            records.archive(world, _kind(kind), found["id"])
        return Response(status=204)

    def _with_links(record: Mapping[str, Any]) -> dict[str, Any]:
        shown = records.shown(world, dict(record), _wanted())
        asked = [name for part in request.args.getlist("associations") for name in part.split(",") if name]
        if asked:
            shown["associations"] = {
                _kind(other): {
                    "results": [
                        {"id": link["to"], "type": f"{record['type'][:-1]}_to_{_kind(other)[:-1]}"}
                        for link in records.associated(world, record["type"], record["id"], _kind(other))
                    ]
                }
                for other in asked
            }  # fmt: skip
        return shown


def _paged(
    found: Sequence[Any],
    show: Callable[[Any], dict[str, Any]],
    asked: Mapping[str, Any],
    total: int | None = None,
    most: int = 100,
) -> Response:
    size = min(max(int(asked.get("limit") or 10), 1), most)
    start = int(asked.get("after") or 0)
    if total is not None and start + size > 10_000:
        raise Refusal(400, "VALIDATION_ERROR", "Paging past 10000 results is not supported")
    body: dict[str, Any] = {"results": [show(item) for item in found[start : start + size]]}
    if total is not None:
        body = {"total": total, **body}
    if len(found) > start + size:
        body["paging"] = {"next": {"after": str(start + size), "link": "?after=" + str(start + size)}}
    return jsonify(body)


def _batches(pages: Blueprint, world: World) -> None:
    def inputs() -> list[dict[str, Any]]:
        given = _body().get("inputs")
        if not isinstance(given, list) or not given:
            raise Refusal(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required")
        if len(given) > _BATCH:
            raise Refusal(400, "VALIDATION_ERROR", f"Batch size must be at most {_BATCH}")
        return given

    def finish(done: Sequence[Any], refused: Sequence[Refusal], code: int, names: Sequence[str] = ()) -> Answer:
        now = iso(world.now())
        body: dict[str, Any] = {
            "status": "COMPLETE", "results": [records.shown(world, item, names) for item in done],
            "requestedAt": now, "startedAt": now, "completedAt": now,
        }  # fmt: skip
        if refused:
            body.update(numErrors=len(refused), errors=[{**item.body(), "status": "error"} for item in refused])
            return jsonify(body), 207
        return jsonify(body), code

    @_route(pages, "/<kind>/batch/create", "POST")
    def batch_create(version: str, kind: str) -> Answer:
        name, given = _kind(kind), inputs()
        with world.store.change():
            done = [
                records.create(world, name, item.get("properties") or {}, item.get("associations") or ())
                for item in given
            ]
        return finish(done, (), 201)

    @_route(pages, "/<kind>/batch/read", "POST")
    def batch_read(version: str, kind: str) -> Answer:
        body, name = _body(), _kind(kind)
        done, refused = [], []
        for item in inputs():
            found = records.find(world, name, str(item.get("id")), body.get("idProperty"))
            if found:
                done.append(found)
            else:
                missing = {"ids": [str(item.get("id"))]}
                refused.append(Refusal(404, "OBJECT_NOT_FOUND", f"Could not get some {name}", missing))
        return finish(done, refused, 200, body.get("properties") or [])

    @_route(pages, "/<kind>/batch/update", "POST")
    def batch_update(version: str, kind: str) -> Answer:
        name, done, refused = _kind(kind), [], []
        for item in inputs():
            try:
                found = records.get(world, name, str(item.get("id")), item.get("idProperty"))
                done.append(records.update(world, name, found, item.get("properties") or {}))
            except Refusal as refusal:
                refusal.context = {**refusal.context, "id": [str(item.get("id"))]}
                refused.append(refusal)
        if refused and not done:
            raise refused[0]
        return finish(done, refused, 200)

    @_route(pages, "/<kind>/batch/upsert", "POST")
    def batch_upsert(version: str, kind: str) -> Answer:
        done, refused = records.upsert(world, _kind(kind), inputs())
        if refused and not done:
            raise refused[0]
        return finish(done, refused, 200)

    @_route(pages, "/<kind>/batch/archive", "POST")
    def batch_archive(version: str, kind: str) -> Answer:
        for item in inputs():
            records.archive(world, _kind(kind), str(item.get("id")))
        return Response(status=204)


def _definitions(pages: Blueprint, world: World) -> None:
    @pages.get("/crm/<version>/properties/<kind>")
    def list_properties(version: str, kind: str) -> Answer:
        return jsonify(results=list(records.properties(world, _kind(kind)).values()))

    @pages.post("/crm/<version>/properties/<kind>")
    def define(version: str, kind: str) -> Answer:
        return jsonify(records.define(world, _kind(kind), _body())), 201

    @pages.post("/crm/<version>/properties/<kind>/batch/create")
    def define_many(version: str, kind: str) -> Answer:
        done, refused = [], []
        for item in _body().get("inputs") or []:
            try:
                done.append(records.define(world, _kind(kind), item))
            except Refusal as refusal:
                refused.append(refusal.body())
        return jsonify(status="COMPLETE", results=done, errors=refused, numErrors=len(refused)), 207 if refused else 201

    @pages.get("/crm/<version>/properties/<kind>/<name>")
    def get_property(version: str, kind: str, name: str) -> Answer:
        found = records.properties(world, _kind(kind)).get(name)
        if found is None:
            raise Refusal(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist")
        return jsonify(found)

    @pages.get("/crm/<version>/properties/<kind>/groups")
    def list_groups(version: str, kind: str) -> Answer:
        names = sorted({str(item["groupName"]) for item in records.properties(world, _kind(kind)).values()})
        own = [item["body"] for item in world.store.find("property-group", "type", _kind(kind))]
        return jsonify(
            results=[{"name": name, "label": name, "displayOrder": -1, "archived": False} for name in names] + own
        )

    @pages.post("/crm/<version>/properties/<kind>/groups")
    def create_group(version: str, kind: str) -> Answer:
        body, name = _body(), _kind(kind)
        key = f"{name}:{body.get('name')}"
        if world.store.get("property-group", key):
            raise Refusal(409, "OBJECT_ALREADY_EXISTS", f"Property group {body.get('name')} already exists")
        full = {"displayOrder": -1, "archived": False, **body}
        world.store.put("property-group", key, {"body": full}, type=name)
        return jsonify(full), 201

    @pages.get("/crm/<version>/pipelines/<kind>")
    def pipelines(version: str, kind: str) -> Answer:
        return jsonify(results=[schema.pipeline()] if _kind(kind) == "tickets" else [])

    @pages.get("/crm/<version>/pipelines/<kind>/<key>")
    @pages.get("/crm/<version>/pipelines/<kind>/<key>/stages")
    def get_pipeline(version: str, kind: str, key: str) -> Answer:
        if _kind(kind) != "tickets" or key != schema.PIPELINE:
            raise Refusal(404, "OBJECT_NOT_FOUND", f"Pipeline {key} does not exist")
        pipeline = schema.pipeline()
        return jsonify({"results": pipeline["stages"]} if request.path.endswith("/stages") else pipeline)

    @pages.get("/crm/<version>/owners/")
    @pages.get("/crm/<version>/owners")
    def owners(version: str) -> Answer:
        email = request.args.get("email")
        return jsonify(results=[item for item in schema.owners() if email in (None, item["email"])])

    @pages.get("/crm/<version>/owners/<key>")
    def owner(version: str, key: str) -> Answer:
        for item in schema.owners():
            if item["id"] == key:
                return jsonify(item)
        raise Refusal(404, "OBJECT_NOT_FOUND", f"Owner {key} does not exist")


def _associations(pages: Blueprint, world: World) -> None:
    def edge(kind: str, other: str, key: str, to: str, sorts: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        left, right = _kind(kind), _kind(other)
        number = int(sorts[0].get("associationTypeId", 0)) if sorts else None
        records.associate(world, left, key, right, to, number)
        return {
            "fromObjectTypeId": schema.TYPES[left], "fromObjectId": int(key), "toObjectTypeId": schema.TYPES[right],
            "toObjectId": int(to), "labels": [],
            "from": {"id": key}, "to": {"id": to},
            "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": schema.ASSOCIATIONS[(left, right)],
            },
        }  # fmt: skip

    def types(link: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{"category": "HUBSPOT_DEFINED", "typeId": link["type_id"], "label": None}]

    @pages.get("/crm/<version>/associations/<kind>/<other>/labels")
    def labels(version: str, kind: str, other: str) -> Answer:
        number = schema.ASSOCIATIONS.get((_kind(kind), _kind(other)))
        found = [{"category": "HUBSPOT_DEFINED", "typeId": number, "label": None}] if number else []
        return jsonify(results=found)

    @_route(pages, "/<kind>/<key>/associations/<other>", "GET")
    def list_links(version: str, kind: str, key: str, other: str) -> Answer:
        record = records.get(world, _kind(kind), key)
        links = records.associated(world, _kind(kind), record["id"], _kind(other))
        if version == "v3":
            return jsonify(results=[{"id": link["to"], "type": f"{kind}_to_{other}"} for link in links])
        return jsonify(results=[{"toObjectId": int(link["to"]), "associationTypes": types(link)} for link in links])

    @_route(pages, "/<kind>/<key>/associations/default/<other>/<to>", "PUT")
    def link_default(version: str, kind: str, key: str, other: str, to: str) -> Answer:
        return jsonify(status="COMPLETE", results=[edge(kind, other, key, to)])

    @_route(pages, "/<kind>/<key>/associations/<other>/<to>", "PUT")
    def link_typed(version: str, kind: str, key: str, other: str, to: str) -> Answer:
        given = request.get_json(silent=True)
        if not isinstance(given, list) or not given:
            raise Refusal(400, "VALIDATION_ERROR", "Invalid input JSON: a list of association types is required")
        return jsonify(edge(kind, other, key, to, given)), 201

    @_route(pages, "/<kind>/<key>/associations/<other>/<to>/<sort>", "PUT")
    def link_v3(version: str, kind: str, key: str, other: str, to: str, sort: str) -> Answer:
        edge(kind, other, key, to, [{"associationTypeId": sort}] if sort.isdigit() else ())
        return jsonify(records.shown(world, records.get(world, _kind(kind), key)))

    @_route(pages, "/<kind>/<key>/associations/<other>/<to>", "DELETE")
    def unlink(version: str, kind: str, key: str, other: str, to: str) -> Answer:
        for link in records.associated(world, _kind(kind), key, _kind(other)):
            if link["to"] == to:
                records.unlink(world, link)
        return Response(status=204)

    @pages.post("/crm/<version>/associations/<kind>/<other>/batch/create")
    @pages.post("/crm/<version>/associations/<kind>/<other>/batch/associate/default")
    def link_many(version: str, kind: str, other: str) -> Answer:
        with world.store.change():
            done = [
                edge(kind, other, str(item["from"]["id"]), str(item["to"]["id"]), item.get("types") or ())
                for item in _body().get("inputs") or []
            ]
        now = iso(world.now())
        return jsonify(status="COMPLETE", results=done, startedAt=now, completedAt=now), 201

    @pages.post("/crm/<version>/associations/<kind>/<other>/batch/read")
    def read_many(version: str, kind: str, other: str) -> Answer:
        now = iso(world.now())
        results = [
            {
                "from": {"id": str(item["id"])},
                "to": [
                    {"toObjectId": int(link["to"]), "associationTypes": types(link)}
                    for link in records.associated(world, _kind(kind), str(item["id"]), _kind(other))
                ],
            }
            for item in _body().get("inputs") or []
        ]
        return jsonify(status="COMPLETE", results=results, startedAt=now, completedAt=now)
