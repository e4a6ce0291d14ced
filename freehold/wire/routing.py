"""match: which service, protocol and operation a request means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.http import Request
from freehold.wire.base import CBOR, EC2, JSON, QUERY, REST_JSON, REST_XML, Match, WireFault
from freehold.wire.base import Service as AnyService
from freehold.wire.inflate import inflated
from freehold.wire.models import Service
from freehold.wire.paths import PathTrie
from freehold.wire.protocols.query import form_pairs

_FORM = "application/x-www-form-urlencoded"
_REST = (REST_JSON, REST_XML)
_JSON_TYPES = frozenset({"application/x-amz-json-1.0", "application/x-amz-json-1.1"})


def match(services: Sequence[AnyService], request: Request, *, hint: str | None = None) -> Match:
    """What a request means among `services`. Raises WireFault, which knows how it is to be rendered.

    `hint` is the signing name of the request's credential scope, where it is signed; several services may share one.
    Requests by query or ec2 are read from `request.body`: it must be complete when the content type is a form. S3's
    virtual-hosted requests must have been rewritten to path style.
    """
    router = _ROUTERS.get(id(services))
    if router is None or router.services is not services:
        if len(_ROUTERS) >= _MAX_ROUTERS:
            _ROUTERS.clear()
        router = _ROUTERS[id(services)] = Router(services)
    return router.match(request, hint)


_ROUTERS: dict[int, Router] = {}
_MAX_ROUTERS = 256


class Router:
    """The services of a node, indexed by everything by which requests name them."""

    def __init__(self, services: Sequence[AnyService]) -> None:
        self.services = services
        known: list[Service] = [service for service in services if isinstance(service, Service)]
        self._by_target = {service.target_prefix: service for service in known if service.target_prefix}
        self._by_signing: dict[str, list[Service]] = {}
        for service in known:
            self._by_signing.setdefault(service.signing_name, []).append(service)
        self._queries = [s for s in known if QUERY in s.protocols or EC2 in s.protocols]
        self._rests = [s for s in known if s.protocols[0] in _REST]
        self._tries: dict[str, PathTrie] = {}
        self._targets: dict[tuple[str, str], Match] = {}
        """What the targets of JSON requests mean that were asked for before, by target and content type."""
        self._s3 = next((service for service in known if service.name == "s3"), None)

    def match(self, request: Request, hint: str | None) -> Match:
        """See `routing.match`."""
        headers = request.headers
        target = headers.get("x-amz-target")
        if target is not None and hint != "s3":
            content_type = headers.get("content-type", "")
            return self._targets.get((target, content_type)) or self._by_target_header(target, content_type, hint)
        if headers.get("smithy-protocol") == "rpc-v2-cbor" and request.path.startswith("/service/"):
            return self._cbor(request, hint)
        signed = self._by_signing.get(hint) if hint is not None else None
        if signed is not None and len(signed) == 1 and signed[0].protocols[0] in _REST:
            return self._rest(signed, request)
        if _is_form(request) or "Action=" in request.query:
            found = self._query(request, hint, signed)
            if found is not None:
                return found
        if hint is None:
            return self._unsigned(request)
        if signed is None:
            raise WireFault(not_implemented(f"the service {hint!r}"), Match(UNKNOWN, _guess(request)))
        rests = [service for service in signed if service.protocols[0] in _REST]
        if rests:
            return self._rest(rests, request)
        raise _no_operation(signed[0], signed[0].protocols[0], "")

    # --- JSON and CBOR

    def _by_target_header(self, target: str, content_type: str, hint: str | None) -> Match:
        prefix, _, name = target.rpartition(".")
        service = self._by_target.get(prefix)
        if service is None:
            version = "1.0" if content_type.startswith("application/x-amz-json-1.0") else "1.1"
            signed = self._by_signing.get(hint or "")
            if signed is None:
                raise WireFault(not_implemented(f"the target {target!r}"), Match(UNKNOWN, JSON, None, version))
            raise _no_operation(signed[0], JSON, name, version)
        version = service.json_version
        if content_type.startswith("application/x-amz-json-1."):
            version = content_type[23:26]
        operation = service.operations.get(name)
        if operation is None or JSON not in service.protocols:
            raise _no_operation(service, JSON, name, version)
        found = Match(service, JSON, operation, version)
        if content_type in _JSON_TYPES:  # with anything behind them they are the client's, without end
            self._targets[target, content_type] = found
        return found

    def _cbor(self, request: Request, hint: str | None) -> Match:
        parts = request.path.split("/")
        if len(parts) != 5 or parts[3] != "operation":
            raise _no_operation(self._first(hint), CBOR, "")
        service = self._by_target.get(parts[2])
        if service is None:
            raise WireFault(not_implemented(f"the service {parts[2]!r}"), Match(self._first(hint), CBOR))
        operation = service.operations.get(parts[4])
        if operation is None or CBOR not in service.protocols:
            raise _no_operation(service, CBOR, parts[4])
        return Match(service, CBOR, operation)

    def _first(self, hint: str | None) -> Service:
        found = self._by_signing.get(hint or "")
        return found[0] if found else UNKNOWN

    # --- query and ec2

    def _query(self, request: Request, hint: str | None, signed: list[Service] | None) -> Match | None:
        services = self._queries if hint is None else [s for s in signed or () if s in self._queries]
        if not services and hint is not None:
            if signed is not None:
                return None
            raise WireFault(not_implemented(f"the service {hint!r}"), Match(UNKNOWN, QUERY))
        first = services[0] if services else UNKNOWN
        try:
            pairs = form_pairs(inflated(request, first.patch.default_max_body))
        except Fault as fault:
            raise WireFault(fault, Match(first, _query_protocol(first))) from None
        named = dict(pairs)
        action, version = named.get("Action"), named.get("Version")
        if action is None:
            if hint is None:
                return None
            missing = Fault("MissingAction", "The request must contain the parameter Action.", status=400)
            raise WireFault(missing, Match(first, _query_protocol(first)))
        for service in _by_version(services, version):
            operation = service.operations.get(action)
            if operation is not None:
                return Match(service, _query_protocol(service), operation, pairs=pairs)
        if hint is None and version is None and not _is_form(request):
            return None
        service = next(iter(_by_version(services, version)), UNKNOWN)
        message = f"The action {action[:128]} is not valid for this web service."
        if service.name in ("iam", "sts", "cloudformation", "sns", "cloudwatch"):
            message = f"Could not find operation {action[:128]} for version {version or 'NO_VERSION_SPECIFIED'}"
        raise WireFault(Fault("InvalidAction", message, status=400), Match(service, _query_protocol(service)))

    # --- REST

    def _unsigned(self, request: Request) -> Match:
        others = [service for service in self._rests if service is not self._s3]
        for service in others:
            if self._trie(service).knows(request.method, request.path):
                return self._rest([service], request)
        if self._s3 is not None:
            return self._rest([self._s3], request)
        raise _no_operation(others[0] if others else UNKNOWN, _guess(request), "")

    def _rest(self, services: list[Service], request: Request) -> Match:
        method, path = request.method, request.path
        pairs: list[tuple[str, str]] | None = None
        query: dict[str, str] = {}
        if request.query:
            pairs = request.query_pairs()
            query = dict(pairs)
        for service in services:
            try:
                found = self._trie(service).find(method, path)
            except UnicodeDecodeError:
                raise _bad_path(service) from None
            if found is not None:
                leaf, params = found
                operation = leaf.choose(query, request.headers)
                if operation is not None:
                    return Match(service, service.protocols[0], operation, path_params=params, pairs=pairs)
        raise self._no_rest(services[0], request)

    def _trie(self, service: Service) -> PathTrie:
        found = self._tries.get(service.name)
        if found is None:
            found = self._tries[service.name] = PathTrie(service)
        return found

    def _no_rest(self, service: Service, request: Request) -> WireFault:
        if service.name == "s3":
            text = "The specified method is not allowed against this resource."
            fields: dict[str, Any] = {"Method": request.method, "ResourceType": _resource_type(request)}
            return WireFault(Fault("MethodNotAllowed", text, status=405, **fields), Match(service, REST_XML))
        return _no_operation(service, service.protocols[0], "")


def _bad_path(service: Service) -> WireFault:
    protocol = service.protocols[0]
    if protocol == REST_XML:
        return WireFault(Fault("InvalidURI", "Couldn't parse the specified URI.", status=400), Match(service, protocol))
    return WireFault(Fault("SerializationException", "The path is not UTF-8.", status=400), Match(service, protocol))


def _resource_type(request: Request) -> str:
    if request.path in ("", "/"):
        return "SERVICE"
    return "BUCKET" if "/" not in request.path.strip("/") else "OBJECT"


def _is_form(request: Request) -> bool:
    return request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM)


def _query_protocol(service: Service) -> str:
    return EC2 if EC2 in service.protocols else QUERY


def _by_version(services: list[Service], version: str | None) -> list[Service]:
    """Those of this API version first; all of them, as a wrong version is more often a client's default than a wish."""
    if version is None or len(services) < 2:
        return services
    return sorted(services, key=lambda service: service.api_version != version)


def _no_operation(service: Service, protocol: str, name: str, version: str = "1.1") -> WireFault:
    status = 404 if protocol in (*_REST, CBOR) else 400
    return WireFault(Fault("UnknownOperationException", "", status=status), Match(service, protocol, None, version))


def _guess(request: Request) -> str:
    """The protocol of a client whose service is unknown here."""
    if "x-amz-target" in request.headers:
        return JSON
    if _is_form(request):
        return QUERY
    return REST_JSON


UNKNOWN = Service.from_model(
    "unknown", {"metadata": {"protocol": REST_JSON, "endpointPrefix": "unknown"}, "operations": {}, "shapes": {}}
)
"""Stands for a service that Freehold does not offer, in faults that say so."""
