"""The resources of REST APIs: a tree of path parts."""

from __future__ import annotations

import re

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.apigateway.rest.common import Request, bad, draft, edit, new_id, paged, patches
from freehold.services.apigateway.rest.state import Draft, Shape, not_found

_PART = re.compile(r"[A-Za-z0-9._~:\-$@,;'!]+|\{[A-Za-z0-9._:\-]+\+?\}")
MAX_RESOURCES = 300
"""API Gateway's default quota of resources per API."""


def require(draft: Draft, resource_id: str) -> Shape:
    """A resource. Raises NotFoundException."""
    resource = draft.resources.get(resource_id)
    if resource is None:
        raise not_found("Resource")
    return resource


def described(resource: Shape, *, methods: bool) -> Shape:
    """The shape of a resource; its methods by name alone unless they are asked for."""
    shape = {key: value for key, value in resource.items() if key != "resourceMethods"}
    if resource["resourceMethods"]:
        found = resource["resourceMethods"]
        shape["resourceMethods"] = found if methods else {name: {} for name in found}
    return shape


def add(draft: Draft, parent_id: str, part: str, resource_id: str) -> Shape:
    """A new resource below a parent. Raises BadRequestException, ConflictException, LimitExceededException."""
    parent = require(draft, parent_id)
    if not _PART.fullmatch(part):
        raise bad(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end."
        )
    if parent["path"].endswith("+}"):
        raise bad("Cannot create a child of a resource with a greedy path variable.")
    if len(draft.resources) >= MAX_RESOURCES:
        raise Fault(
            "LimitExceededException", f"Maximum number of Resources for this API has been reached. {MAX_RESOURCES}"
        )
    for sibling in draft.resources.values():
        if sibling.get("parentId") != parent_id:
            continue
        if sibling["pathPart"] == part:
            raise Fault("ConflictException", f"Another resource with the same parent already has this name: {part}")
        if _variable(part) and _variable(sibling["pathPart"]):
            raise bad(
                f"A sibling ({sibling['pathPart']}) of this resource already has a variable path part -- only one is "
                "allowed"
            )
    path = f"{parent['path'].rstrip('/')}/{part}"
    resource: Shape = {"id": resource_id, "parentId": parent_id, "pathPart": part, "path": path, "resourceMethods": {}}
    draft.resources[resource_id] = resource
    return resource


def _variable(part: str) -> bool:
    return part.startswith("{") and not part.endswith("+}")


async def create_resource(call: Call, request: Request) -> Shape:
    resource_id = new_id(call)

    def change(draft: Draft) -> Shape:
        return described(add(draft, request["parentId"], request["pathPart"], resource_id), methods=True)

    return await edit(call, request, change)


def _with_methods(request: Request) -> bool:
    return "methods" in request.get("embed", [])


async def get_resource(call: Call, request: Request) -> Shape:
    found = require(await draft(call, request), request["resourceId"])
    return described(found, methods=_with_methods(request))


async def get_resources(call: Call, request: Request) -> Shape:
    found = sorted((await draft(call, request)).resources.values(), key=lambda resource: str(resource["id"]))
    return paged(request, [described(one, methods=_with_methods(request)) for one in found])


def _below(draft: Draft, resource_id: str) -> list[str]:
    """Ids of everything below a resource."""
    found = []
    for other in draft.resources.values():
        if other.get("parentId") == resource_id:
            found += [other["id"], *_below(draft, other["id"])]
    return found


async def update_resource(call: Call, request: Request) -> Shape:
    """Move or rename a resource; what is below it moves along."""
    operations = patches(request)

    def change(draft: Draft) -> Shape:
        resource = require(draft, request["resourceId"])
        if "parentId" not in resource:
            raise bad("Cannot update the root resource.")
        for patch in operations:
            if patch.op != "replace" or patch.path not in (("pathPart",), ("parentId",)):
                raise patch.refused(("/pathPart", "/parentId"))
            del draft.resources[resource["id"]]
            if patch.path == ("parentId",) and patch.value in _below(draft, resource["id"]):
                raise bad("A resource cannot be moved below itself.")
            part = patch.value if patch.path == ("pathPart",) else resource["pathPart"]
            parent = patch.value if patch.path == ("parentId",) else resource["parentId"]
            moved = add(draft, parent, part, resource["id"])
            moved["resourceMethods"] = resource["resourceMethods"]
            resource = moved
        for identifier in _below(draft, resource["id"]):
            child = draft.resources[identifier]
            child["path"] = f"{draft.resources[child['parentId']]['path'].rstrip('/')}/{child['pathPart']}"
        return described(resource, methods=True)

    return await edit(call, request, change)


async def delete_resource(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        resource = require(draft, request["resourceId"])
        if "parentId" not in resource:
            raise bad("Cannot remove resource API root resource.")
        for identifier in (resource["id"], *_below(draft, resource["id"])):
            del draft.resources[identifier]
        return {}

    return await edit(call, request, change)
