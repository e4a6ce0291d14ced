"""AWS Systems Manager: Parameter Store."""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.ssm import check, listing, parameters
from freehold.services.ssm.model import arn_of, split_selector
from freehold.services.ssm.resources import TYPES


def arn(call: Call) -> str:
    """The parameter that a call names, else all of them."""
    name = call.params.get("Name") or call.params.get("ResourceId") or call.params.get("Path")
    return arn_of(call.account, call.region, split_selector(name)[0] if name else "*")


MANIFEST = Manifest(
    model="ssm",
    handlers=(parameters, listing),
    arn=arn,
    prefix="ssm",
    types=TYPES,
    check=check.check,
)
