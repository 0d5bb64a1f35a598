"""HubSpot's own SDK, called with a time limit, counted against the allowance, and its failures named.

Facts this module rests on: the SDK has no time limits of its own and its retry never repeats a POST, so neither is
used: calls carry `_request_timeout`, and repeating is the outbox's work. Left alone, it makes a client, and with it a
connection, for each call; here a part of it is made once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import requests
import urllib3

from core import errors, http
from core.settings import Settings

OFFICIAL = "https://api.hubapi.com"
_ROLLING_SECONDS, _LOCKED_SECONDS = 10.0, 2.0
_UNTIL_TOMORROW = 3600.0  # the day's allowance is spent: look again hourly, it comes back at midnight of the portal
_PAGE = 100


class Api:
    """One per process; `take` is the shared allowance. Nothing is called before it is needed."""

    def __init__(self, settings: Settings, take: Callable[[], None]) -> None:
        self._settings = settings
        self._take = take
        self._client: Any = None
        self._parts: dict[tuple[str, str], Any] = {}
        self._session = requests.Session()

    def upsert(self, kind: str, key: str, inputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """This will create or update objects by a unique property of ours; gives the ids by our keys."""
        from hubspot.crm import objects

        batch = objects.BatchInputSimplePublicObjectBatchInputUpsert(
            inputs=[
                objects.SimplePublicObjectBatchInputUpsert(id=own, id_property=key, properties={**values, key: own})
                for own, values in inputs.items()
            ]
        )
        done = self._call(self._sdk().crm.objects.batch_api.upsert, kind, batch)
        for error in getattr(done, "errors", None) or ():
            raise named(409 if error.category in ("CONFLICT", "OBJECT_ALREADY_EXISTS") else 400, str(error.message))
        ids = {result.properties.get(key, ""): str(result.id) for result in done.results}
        if len(inputs) == 1 and len(done.results) == 1:
            return {next(iter(inputs)): str(done.results[0].id)}
        missing = set(inputs) - set(ids)
        if missing:
            raise errors.ProviderError("crm.partly_written", count=len(missing))
        return ids

    def create(self, kind: str, properties: Mapping[str, str], to: Sequence[tuple[str, str]]) -> str:
        """This will create an object together with its associations, in one step."""
        from hubspot.crm import objects

        links = [
            objects.PublicAssociationsForObject(
                to=objects.PublicObjectId(id=other),
                types=[
                    objects.AssociationSpec(
                        association_category="HUBSPOT_DEFINED", association_type_id=self._association(kind, to_kind)
                    )
                ],
            )
            for to_kind, other in to
        ]
        made = self._call(
            self._sdk().crm.objects.basic_api.create,
            kind,
            objects.SimplePublicObjectInputForCreate(properties=dict(properties), associations=links),
        )
        return str(made.id)

    def patch(self, kind: str, object_id: str, properties: Mapping[str, str]) -> None:
        from hubspot.crm import objects

        changes = objects.SimplePublicObjectInput(properties=dict(properties))
        self._call(self._sdk().crm.objects.basic_api.update, kind, object_id, changes)

    def read(self, kind: str, ids: Sequence[str], properties: Sequence[str], *, by: str | None = None) -> Sequence[Any]:
        """This will read objects by id, or by a unique property, as they are now; those that are gone are left out."""
        from hubspot.crm import objects

        found: list[Any] = []
        for start in range(0, len(ids), _PAGE):
            batch = objects.BatchReadInputSimplePublicObjectId(
                inputs=[objects.SimplePublicObjectId(id=one) for one in ids[start : start + _PAGE]],
                properties=list(properties),
                properties_with_history=[],
                id_property=by,
            )
            found += self._call(self._sdk().crm.objects.batch_api.read, kind, batch).results
        return found

    def associate(self, kind: str, object_id: str, to_kind: str, to_id: str) -> None:
        links = self._sdk().crm.associations.v4.basic_api
        self._call(links.create_default, kind, object_id, to_kind, to_id)

    def associated(self, kind: str, object_id: str, to_kind: str) -> list[str]:
        """This will list what an object is associated with."""
        links = self._sdk().crm.associations.v4.basic_api
        found: list[str] = []
        after: str | None = None
        while True:
            more = {"after": after} if after else {}
            page = self._call(links.get_page, kind, object_id, to_kind, limit=_PAGE, **more)
            found += [str(link.to_object_id) for link in page.results]
            after = page.paging.next.after if page.paging and page.paging.next else None
            if not after:
                return found

    def properties(self, kind: str) -> dict[str, Any]:
        """This will give the properties a portal has for a kind of object, by name."""
        results = self._call(self._sdk().crm.properties.core_api.get_all, kind).results
        return {one.name: one for one in results}

    def define(self, kind: str, name: str, *, unique: bool, group: str, long: bool) -> None:
        """This will create a property of ours."""
        from hubspot.crm import properties

        wanted = properties.PropertyCreate(
            name=name,
            label=name.replace("_", " ").capitalize(),
            type="string",
            field_type="textarea" if long else "text",
            group_name=group,
            has_unique_value=unique,
        )
        self._call(self._sdk().crm.properties.core_api.create, kind, wanted)

    def ticket_pipelines(self) -> Sequence[Any]:
        found: Sequence[Any] = self._call(self._sdk().crm.pipelines.pipelines_api.get_all, "tickets").results
        return found

    def owner(self, owner_id: str) -> Any:
        return self._call(self._sdk().crm.owners.owners_api.get_by_id, int(owner_id))

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """This will post where the SDK has no client of its own (its `api_request` has no time limit)."""
        http.leave()
        self._take()
        try:
            response = self._session.post(
                (self._settings.hubspot_api_base or OFFICIAL) + path,
                headers={"Authorization": f"Bearer {self._settings.hubspot_access_token}"},
                json=dict(body),
                timeout=http.TIMEOUT,
            )
        except requests.RequestException as exc:
            raise errors.ProviderError("crm.unreachable") from exc
        if response.status_code >= 400:
            raise named(response.status_code, response.text)
        try:
            answer = response.json()
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}

    def _association(self, kind: str, to_kind: str) -> int:
        """This will give the number of the plain association between two kinds: portals tell it, it is not guessed."""
        found = self._call(self._sdk().crm.associations.v4.schema.definitions_api.get_all, kind, to_kind).results
        for one in found:
            if one.category == "HUBSPOT_DEFINED" and not one.label:
                return int(one.type_id)
        raise errors.ProviderError("crm.no_association", retryable=False, between=[kind, to_kind])

    def _sdk(self) -> Any:
        if self._client is None:
            import hubspot
            from urllib3.util.retry import Retry

            base = self._settings.hubspot_api_base
            self._client = hubspot.Client.create(
                access_token=self._settings.hubspot_access_token,
                api_factory=self._part,
                retry=Retry(total=0),
                **({"host": base, "base_url": base} if base else {}),
            )
        return self._client

    def _part(self, package: Any, name: str, config: Mapping[str, Any]) -> Any:
        from hubspot.discovery import discovery_base

        key = (package.__name__, name)
        if key not in self._parts:
            self._parts[key] = discovery_base.DiscoveryBase._default_api_factory(package, name, config)
        return self._parts[key]

    def _call(self, method: Callable[..., Any], *arguments: Any, **named_arguments: Any) -> Any:
        http.leave()
        self._take()
        try:
            return method(*arguments, _request_timeout=http.TIMEOUT, **named_arguments)
        except Exception as exc:
            status = getattr(exc, "status", None)
            if status is not None:
                raise named(int(status), str(getattr(exc, "body", "") or "")) from exc
            if isinstance(exc, urllib3.exceptions.HTTPError | OSError):
                raise errors.ProviderError("crm.unreachable") from exc
            raise


def named(status: int, body: str) -> errors.ProviderError:
    """This will name a failure by its status: whether it can pass, and when to come again."""
    if status == 429:
        return errors.ProviderError(
            "crm.too_many", retry_after=_UNTIL_TOMORROW if '"DAILY"' in body else _ROLLING_SECONDS
        )
    if status == 423:
        return errors.ProviderError("crm.locked", retry_after=_LOCKED_SECONDS)
    if status == 404:
        return errors.ProviderError("crm.gone", retryable=False, body=body[:300])
    if status == 409:
        return errors.ProviderError("crm.conflict", retryable=False, body=body[:300])
    if status >= 500 or status in (0, 408, 477):
        return errors.ProviderError("crm.down", status=status)
    return errors.ProviderError("crm.refused", retryable=False, status=status, body=body[:300])
