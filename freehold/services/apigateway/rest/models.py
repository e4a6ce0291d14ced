"""Models of REST APIs: named JSON schemas. Only request validators would act on them; those are refused by name."""

from __future__ import annotations

import orjson

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.apigateway.rest.common import Request, apply_text, bad, draft, edit, kept, new_id, paged, patches
from freehold.services.apigateway.rest.state import Draft, Shape


def new_model(name: str, content_type: str, schema: str, model_id: str, description: str | None = None) -> Shape:
    """A model. Raises BadRequestException."""
    if not name.isalnum():
        raise bad("Model name must be alphanumeric: " + name)
    try:
        orjson.loads(schema or "{}")
    except orjson.JSONDecodeError:
        raise bad(
            "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]"
        ) from None
    shape = {"id": model_id, "name": name, "contentType": content_type, "schema": schema}
    return shape | ({"description": description} if description else {})


async def create_model(call: Call, request: Request) -> Shape:
    model = new_model(
        request["name"], request["contentType"], request.get("schema", ""), new_id(call), request.get("description")
    )

    def change(draft: Draft) -> Shape:
        if model["name"] in draft.models:
            raise Fault("ConflictException", "Model name already exists for this REST API")
        draft.models[model["name"]] = model
        return model

    return await edit(call, request, change)


def _require(draft: Draft, name: str) -> Shape:
    model = draft.models.get(name)
    if model is None:
        raise Fault("NotFoundException", f"Invalid model name specified: {name}")
    return model


async def get_model(call: Call, request: Request) -> Shape:
    if request.get("flatten"):
        raise not_implemented("flatten of apigateway:GetModel")
    return _require(await draft(call, request), request["modelName"])


async def get_models(call: Call, request: Request) -> Shape:
    return paged(request, list((await draft(call, request)).models.values()))


async def update_model(call: Call, request: Request) -> Shape:
    operations = patches(request)

    def change(draft: Draft) -> Shape:
        model = _require(draft, request["modelName"])
        for patch in operations:
            if not apply_text(model, patch, ("description", "schema")):
                raise patch.refused(("/description", "/schema"))
        checked = new_model(model["name"], model["contentType"], model.get("schema", ""), model["id"])
        draft.models[model["name"]] = checked | kept(model, ("description",))
        return draft.models[model["name"]]

    return await edit(call, request, change)


async def delete_model(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        _require(draft, request["modelName"])
        for resource in draft.resources.values():
            for method in resource["resourceMethods"].values():
                if request["modelName"] in method.get("requestModels", {}).values():
                    raise Fault(
                        "ConflictException",
                        f"Cannot delete model '{request['modelName']}', is referenced in method request: "
                        f"{method['httpMethod']} {resource['path']}",
                    )
        del draft.models[request["modelName"]]
        return {}

    return await edit(call, request, change)
