"""The transform AWS::Serverless-2016-10-31, by AWS's own aws-sam-translator.

The translator is imported when the first serverless template comes (it takes hundreds of milliseconds) and runs in a
thread; its results are kept for the templates used last.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import logging
import threading
from collections import OrderedDict
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.work.attempt import attempt

_log = logging.getLogger(__name__)
NAME = "AWS::Serverless-2016-10-31"
ATTRIBUTES = frozenset({"Connectors", "IgnoreGlobals"})
"""Attributes of resources that are the transform's own."""
_KEPT = 32
_lock = threading.Lock()
"""The translator keeps module state (region of ARNs, marked strings): one translation at a time."""


async def transform(
    cache: OrderedDict[str, str], document: dict[str, Any], parameters: dict[str, Any], region: str
) -> dict[str, Any]:
    """The document with serverless resources replaced by what they stand for. Raises Fault."""
    _refuse_applications(document)
    text = json.dumps([document, parameters, region], sort_keys=False)
    key = hashlib.sha256(text.encode()).hexdigest()
    found = cache.get(key)
    if found is None:
        outcome = await attempt(asyncio.to_thread(_translate, copy.deepcopy(document), dict(parameters), region))
        if isinstance(outcome, Fault):
            raise outcome
        if isinstance(outcome, Exception):  # the translator stumbles over documents of an unexpected shape
            _log.error("the serverless transform failed", exc_info=outcome)
            raise Fault("ValidationError", f"Transform {NAME} failed with: Internal transform failure.")
        found = outcome
        cache[key] = found
        while len(cache) > _KEPT:
            cache.popitem(last=False)
    result: dict[str, Any] = json.loads(found)
    return result


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the attributes of resources that only the transform knows: for what looks at it before."""
    resources = {
        name: {key: value for key, value in body.items() if key not in ATTRIBUTES} if isinstance(body, dict) else body
        for name, body in document["Resources"].items()
    }
    return {**document, "Resources": resources}


def _refuse_applications(document: dict[str, Any]) -> None:
    for name, resource in document.get("Resources", {}).items():
        if isinstance(resource, dict) and resource.get("Type") == "AWS::Serverless::Application":
            location = resource.get("Properties", {}).get("Location")
            if isinstance(location, dict) and "ApplicationId" in location:
                raise not_implemented(f"the Serverless Application Repository (logical id {name})")


def _translate(document: dict[str, Any], parameters: dict[str, Any], region: str) -> str:
    from boto3 import Session
    from samtranslator.internal.managed_policies import get_bundled_managed_policy_map
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

    # Its metrics object complains when nobody publishes it.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    policies = get_bundled_managed_policy_map("aws") or {}
    with _lock:
        try:
            to_py27_compatible_template(document, parameters)
            translator = Translator(None, Parser(), boto_session=Session(region_name=region))
            result = translator.translate(
                document,
                parameter_values=parameters,
                passthrough_metadata=True,
                get_managed_policy_map=lambda: policies,
            )
            return json.dumps(undo_mark_unicode_str_in_template(result))
        except InvalidDocumentException as error:
            causes = " ".join(cause.message for cause in error.causes)
            raise Fault("ValidationError", f"Transform {NAME} failed with: {error.message} {causes}".strip()) from error
