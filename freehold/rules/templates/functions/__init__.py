"""Intrinsic functions and pseudo-parameters, evaluated over a Scope.

What is not known yet (the id of a resource that is still to be created) is UNKNOWN; a function of something unknown is
unknown. A missing thing raises TemplateError with AWS's message.
"""

from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import conditions, lists, lookups, texts
from freehold.rules.templates.functions.evaluation import FUNCTIONS, Scope, evaluate, truth
from freehold.rules.templates.functions.lookups import split_attribute
from freehold.rules.templates.functions.texts import SUB_VARIABLE
from freehold.rules.templates.functions.values import UNKNOWN, holds_unknown

__all__ = ["SUB_VARIABLE", "UNKNOWN", "Scope", "evaluate", "holds_unknown", "split_attribute", "truth"]


def _transform(argument: Any, scope: Scope) -> Any:
    raise TemplateError(f"Template error: Fn::Transform {argument!r} is not allowed here")


FUNCTIONS |= {
    "Ref": lookups.ref,
    "Fn::GetAtt": lookups.get_att,
    "Fn::Join": texts.join,
    "Fn::Sub": texts.sub,
    "Fn::Select": lists.select,
    "Fn::Split": texts.split,
    "Fn::If": conditions.choose,
    "Fn::And": conditions.both,
    "Fn::Or": conditions.either,
    "Fn::Not": conditions.negate,
    "Fn::Equals": conditions.equals,
    "Fn::FindInMap": lookups.find_in_map,
    "Fn::Base64": texts.base64_of,
    "Fn::Cidr": lists.cidr,
    "Fn::GetAZs": lists.get_azs,
    "Fn::ImportValue": lookups.import_value,
    "Fn::Length": lists.length,
    "Fn::ToJsonString": texts.to_json_string,
    "Fn::Transform": _transform,
}
