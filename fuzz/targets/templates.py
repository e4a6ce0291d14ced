"""CloudFormation templates: TemplateError or a plan; YAML in short form is what the same JSON is; SAM ends in time."""

from __future__ import annotations

import json
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.templates import (
    assertions,
    document,
    extensions,
    functions,
    graph,
    parameters,
    references,
    stack_policy,
)
from freehold.rules.templates import template as templates
from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import Scope, evaluate
from freehold.services.cloudformation import sam
from fuzz.draws import Draws
from fuzz.targets import Target, require

RESOURCES = ("A", "B", "C", "Loop")
PARAMETERS = ("P", "Q", "L")
CONDITIONS = ("X", "Y", "Z")
REFERENCES = (
    *RESOURCES,
    *PARAMETERS,
    "AWS::Region",
    "AWS::NoValue",
    "AWS::StackName",
    "Nothing",
    "AWS::NotificationARNs",
)
TEXTS = (
    "",
    "a",
    "${A}",
    "${P}-${AWS::Region}",
    "${A.Arn}",
    "${!Literal}",
    "${Nothing}",
    "a,b,c",
    "10.0.0.0/16",
    "${",
    "${}",
    "true",
    "é\x07",
)
WORDS = (
    "Fn::Sub",
    "Fn::Join",
    "Fn::Select",
    "Fn::Split",
    "Fn::If",
    "Fn::And",
    "Fn::Or",
    "Fn::Not",
    "Fn::Equals",
    "Fn::GetAtt",
    "Ref",
    "Fn::FindInMap",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::GetAZs",
    "Fn::ImportValue",
    "Fn::Length",
    "Fn::ToJsonString",
    "Fn::Transform",
    "Fn::ForEach::Loop",
    "Condition",
    "Resources",
    "Outputs",
    "Parameters",
    "Mappings",
    "Conditions",
    "Rules",
    "Type",
    "Properties",
    "DependsOn",
    "Transform",
    "AWS::LanguageExtensions",
    "!Sub",
    "!Ref",
    "!GetAtt",
    "&a",
    "*a",
    "<<:",
    "!!python/object:x",
    "? ",
    "- ",
)
PSEUDO = {
    "AWS::AccountId": "000000000000",
    "AWS::NotificationARNs": [],
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackId": "arn:stack",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}


def _value(draws: Draws, depth: int = 0) -> Any:
    kind = draws.integer(0, 19)
    if kind < 5 or depth > 4:
        return draws.pick(TEXTS) if kind < 3 else draws.pick((1, True, 1.5, 10**17, -3, draws.text(8)))

    def inner() -> Any:
        return _value(draws, depth + 1)

    def many() -> list[Any]:
        return draws.many(3, inner)

    if kind == 5:
        return {"Ref": draws.pick(REFERENCES)}
    if kind == 6:
        return {"Fn::GetAtt": draws.pick(("A.Arn", "Nothing.X", ["A", "Arn"], ["B", {"Ref": "P"}], ["A"], many()))}
    if kind == 7:
        return {
            "Fn::Sub": draws.pick(
                (draws.pick(TEXTS), [draws.pick(TEXTS), {"A": inner(), "x": inner()}], [draws.pick(TEXTS)])
            )
        }
    if kind == 8:
        return {"Fn::Join": [draws.pick(("", ",", "-")), draws.pick((many(), inner()))]}
    if kind == 9:
        return {
            "Fn::Select": [draws.pick((0, 1, "1", -1, inner())), draws.pick((many(), {"Fn::Split": [",", inner()]}))]
        }
    if kind == 10:
        return {"Fn::If": [draws.pick((*CONDITIONS, "Nothing")), inner(), inner()]}
    if kind == 11:
        return {
            "Fn::FindInMap": [draws.pick(("M", {"Ref": "P"}, "N")), draws.pick(("k", inner())), draws.pick(("v", "w"))]
        }
    if kind == 12:
        return {
            "Fn::Cidr": [
                draws.pick(("10.0.0.0/16", "fe80::/64", inner())),
                draws.pick((1, 4, 256, "2", 300)),
                draws.pick((8, "5", 99, -1)),
            ]
        }
    if kind == 13:
        return {draws.pick(("Fn::Base64", "Fn::ImportValue", "Fn::GetAZs", "Fn::Length", "Fn::ToJsonString")): inner()}
    if kind == 14:
        return {"Fn::Split": [draws.pick((",", "", "-")), inner()]}
    if kind == 15:
        return {draws.pick(WORDS): inner()}
    if kind == 16:
        return {
            f"Fn::ForEach::{draws.pick(('I', 'J'))}": [
                draws.pick(("Id", "x")),
                draws.pick((many(), {"Ref": "L"})),
                {"k${Id}": inner()},
            ]
        }
    return many() if kind < 18 else {draws.pick(("Name", "k", "Tags")): inner() for _ in range(draws.integer(0, 3))}


def _condition(draws: Draws, depth: int = 0) -> Any:
    kind = draws.integer(0, 6)
    if kind < 3 or depth > 3:
        return {"Fn::Equals": [_value(draws, 4), draws.pick(("a", {"Ref": "P"}, {"Ref": "AWS::Region"}))]}
    if kind == 3:
        return {"Condition": draws.pick((*CONDITIONS, "Nothing"))}
    if kind == 4:
        return {"Fn::Not": [_condition(draws, depth + 1)]}
    return {draws.pick(("Fn::And", "Fn::Or")): [_condition(draws, depth + 1) for _ in range(draws.integer(1, 3))]}


def _document(draws: Draws) -> dict[str, Any]:
    made: dict[str, Any] = {"Resources": {}}
    for name in RESOURCES[: draws.integer(1, 3)]:
        body: dict[str, Any] = {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": _value(draws), "x": _value(draws)},
        }
        if draws.chance(20):
            body["Condition"] = draws.pick(CONDITIONS)
        if draws.chance(20):
            body["DependsOn"] = draws.pick(
                (draws.pick(RESOURCES), draws.many(2, lambda: draws.pick(RESOURCES)), _value(draws))
            )
        if draws.chance(10):
            body[draws.pick(("DeletionPolicy", "Metadata", "UpdatePolicy", "x"))] = _value(draws)
        made["Resources"][name] = body
    if draws.chance(60):
        kinds = (
            "String",
            "Number",
            "CommaDelimitedList",
            "List<Number>",
            "AWS::SSM::Parameter::Value<String>",
            "x",
            _value(draws),
        )
        made["Parameters"] = {
            name: {"Type": draws.pick(kinds), "Default": draws.pick(("a", "1", 1, "a,b", _value(draws)))}
            for name in PARAMETERS
        }
        if draws.chance(40):
            names = (
                "AllowedValues",
                "AllowedPattern",
                "MinLength",
                "MaxValue",
                "MinValue",
                "NoEcho",
                "ConstraintDescription",
                "Description",
            )
            made["Parameters"]["P"][draws.pick(names)] = draws.pick((["a"], "(a+)+$", 1, "x", "1e999", _value(draws)))
    if draws.chance(60):
        made["Conditions"] = {name: _condition(draws) for name in CONDITIONS[: draws.integer(1, 3)]}
    if draws.chance(40):
        made["Mappings"] = {"M": {"k": {"v": _value(draws, 4), "w": ["a", 1]}}} if draws.chance(80) else _value(draws)
    if draws.chance(50):
        made["Outputs"] = {
            "O": {"Value": _value(draws), **({"Export": {"Name": _value(draws)}} if draws.chance(30) else {})}
        }
    if draws.chance(30):
        made["Transform"] = draws.pick(("AWS::LanguageExtensions", ["AWS::LanguageExtensions"], _value(draws)))
    if draws.chance(20):
        made["Rules"] = {"R": {"Assertions": [{"Assert": _condition(draws), "AssertDescription": "no"}]}}
    if draws.chance(10):
        made[draws.pick(WORDS)] = _value(draws)
    return made


def yaml_of(value: Any) -> str:
    """The value as a YAML flow text, functions in their short form."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((key, inner),) = value.items()
            if key in ("Ref", "Condition") and isinstance(inner, str):
                return f"!{key} {json.dumps(inner)}"
            if key[:4] == "Fn::" and key[4:] in document._SHORT and isinstance(inner, str | list | dict):
                return f"!{key[4:]} {yaml_of(inner)}"
            if key == "Fn::GetAtt" and isinstance(inner, list):
                return f"!GetAtt {yaml_of(inner)}"
        return "{" + ", ".join(f"{json.dumps(key)}: {yaml_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(yaml_of(inner) for inner in value) + "]"
    return json.dumps(value)


def _plan(body: dict[str, Any], given: dict[str, str]) -> Any:
    """What `services.cloudformation.prepare` does with a document, without a store."""
    templates.check_sections(body)
    declared = templates.load({**body, "Resources": {"None": {"Type": "None"}}, "Outputs": {}}).parameters
    parameters.check_declarations(declared)
    values = parameters.gather(declared, given).values
    typed = {
        name: parameters.typed(declared[name], values[name])
        for name in declared
        if not parameters.ssm_kind(declared[name])
    }
    named = [templates.transform_name(item) for item in templates.transforms_of(body)]
    extended = extensions.NAME in named
    scope = Scope(typed, PSEUDO, body.get("Mappings", {}), body.get("Conditions", {}), extended=extended)
    if extended:
        body = extensions.expand(body, scope)
    template = templates.load({key: item for key, item in body.items() if key != "Transform"})
    references.check(template)
    scope = Scope(
        typed,
        PSEUDO,
        template.mappings,
        template.conditions,
        frozenset(template.resources),
        ref=lambda name: f"id-{name}",
        attribute=lambda name, attribute: f"{name}.{attribute}",
        import_value=lambda name: f"export {name}",
        extended=extended,
    )
    for name in template.conditions:
        scope.condition(name)
    assertions.check(template.rules, scope)
    live = frozenset(n for n, r in template.resources.items() if r.condition is None or scope.condition(r.condition))
    references.check_existing(template, scope, live)
    needs = {name: references.dependencies(template, name, scope.condition) & live for name in template.resources}
    ordered = graph.order({name: needs[name] for name in template.resources if name in live})
    for place, name in enumerate(ordered):
        require(needs[name] <= set(ordered[:place]), "order", ordered, needs)
    references.imports(template, scope, live)
    made = {name: evaluate(template.resources[name].properties, scope) for name in ordered}
    outputs = {key: evaluate(item["Value"], scope) for key, item in template.outputs.items()}
    require(not functions.holds_unknown(made), "unknown", made)
    return repr((ordered, made, outputs))


def run(draws: Draws) -> Any:
    """A template as text, to its plan."""
    kind = draws.integer(0, 9)
    if kind == 0:
        text, plain = draws.rest_text(), None
    else:
        plain = _document(draws)
        text = json.dumps(plain, ensure_ascii=draws.chance(50)) if kind < 6 else yaml_of(plain)
    spliced = draws.spliced(text)
    try:
        body = document.parse(spliced)
        if plain is not None and spliced == text:
            require(body == document.parse(json.dumps(plain)), "YAML and JSON differ", text, body)
        return _plan(body, {draws.pick(PARAMETERS): draws.text() for _ in range(draws.integer(0, 1))})
    except TemplateError as error:
        return str(error)


ELEMENTS = ("Effect", "Action", "NotAction", "Principal", "Resource", "NotResource", "Condition")
MEANINGS: tuple[Any, ...] = (
    "Allow",
    "Deny",
    "Update:*",
    ["Update:Replace"],
    "*",
    "LogicalResourceId/A*",
    {"StringEquals": {"ResourceType": ["AWS::*"]}},
)


def run_policies(draws: Draws) -> Any:
    """Stack policies."""
    statement = {draws.pick(ELEMENTS): draws.pick(MEANINGS) if draws.chance(80) else draws.json() for _ in range(5)}
    text = draws.spliced(json.dumps({"Statement": draws.pick(([statement], statement, draws.json()))}))
    try:
        policy = stack_policy.parse(text)
    except TemplateError as error:
        return str(error)
    return stack_policy.refusal(policy, draws.pick(("Update:Modify", "Update:Replace")), "A", "AWS::SQS::Queue")


def run_sam(draws: Draws) -> Any:
    """Serverless resources through AWS's translator: a Fault or a document. What else it raises is caught by its caller."""
    made: dict[str, Any] = {"Transform": sam.NAME, "Resources": {}}
    kinds = ("Function", "Api", "HttpApi", "SimpleTable", "StateMachine", "LayerVersion", "Connector", "GraphQLApi")
    names = (
        "CodeUri",
        "Handler",
        "Runtime",
        "Events",
        "Policies",
        "Environment",
        "Auth",
        "DefinitionBody",
        "StageName",
        "Cors",
        "Tags",
    )
    events = ("Api", "HttpApi", "SQS", "Schedule", "SNS", "S3", "EventBridgeRule", "DynamoDB")
    for name in RESOURCES[: draws.integer(1, 2)]:
        properties = (
            {"Handler": "a.b", "Runtime": "python3.12", "CodeUri": "s3://b/k", "InlineCode": "x"}
            if draws.chance(50)
            else {}
        )
        if draws.chance(60):
            properties["Events"] = {"E": {"Type": draws.pick(events), "Properties": _value(draws)}}  # type: ignore[assignment]
        for _ in range(draws.integer(0, 3)):
            properties[draws.pick(names)] = _value(draws)
        made["Resources"][name] = {"Type": f"AWS::Serverless::{draws.pick(kinds)}", "Properties": properties}
    if draws.chance(40):
        made["Globals"] = {draws.pick(("Function", "Api", "x")): _value(draws)}
    try:
        body = document.parse(json.dumps(made))
        templates.check_sections(body)
        return sam._translate(body, {"P": "a"}, "us-east-1")
    except (TemplateError, Fault) as error:
        return str(error)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 as `sam.transform` does, which logs it and answers with a Fault
        return type(error).__name__


TARGETS = (
    Target("templates", run, dictionary=WORDS),
    Target("stack-policies", run_policies),
    Target("sam", run_sam, seconds=5.0, repeatable=False),
)
