"""References, order, loops, rules and stack policies."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.rules.templates import assertions, extensions, graph, references, stack_policy
from freehold.rules.templates import template as templates
from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import Scope


def load(**sections: Any) -> templates.Template:
    return templates.load(sections)


def thing(**properties: Any) -> dict[str, Any]:
    return {"Type": "T", "Properties": properties}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"Resources": {"A": thing(X={"Ref": "Nope"})}},
            "Template format error: Unresolved resource dependencies [Nope] in the Resources block of the template",
        ),
        (
            {"Resources": {"A": thing()}, "Outputs": {"O": {"Value": {"Fn::Sub": "${Nope}"}}}},
            "Template format error: Unresolved resource dependencies [Nope] in the Outputs block of the template",
        ),
        (
            {"Resources": {"A": thing(X={"Fn::GetAtt": ["Nope", "Arn"]})}},
            "Template error: instance of Fn::GetAtt references undefined resource Nope",
        ),
        (
            {"Resources": {"A": thing()}, "Conditions": {"C": {"Fn::Equals": [{"Ref": "A"}, "x"]}}},
            "Template format error: Unresolved dependencies [A]. Cannot reference resources in the Conditions block of"
            " the template",
        ),
        (
            {"Resources": {"A": {**thing(), "DependsOn": "B"}}},
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
        ),
    ],
)
def test_references_that_lead_nowhere_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        references.check(load(**sections))
    assert caught.value.message == message


def test_only_the_branch_that_is_taken_makes_a_dependency() -> None:
    template = load(
        Conditions={"C": {"Fn::Equals": ["a", "b"]}},
        Resources={
            "A": thing(),
            "B": thing(X={"Fn::If": ["C", {"Ref": "A"}, {"Fn::Sub": "${D.Arn}-${!A}"}]}),
            "D": {**thing(), "DependsOn": ["E"]},
            "E": {**thing(), "Condition": "C"},
        },
    )
    assert references.dependencies(template, "B", lambda name: False) == {"D"}
    assert references.dependencies(template, "B", lambda name: True) == {"A"}
    assert references.dependencies(template, "D", lambda name: False) == set()
    assert references.dependencies(template, "D", lambda name: True) == {"E"}


def test_order_puts_dependencies_first_and_names_circles() -> None:
    assert graph.order({"C": {"B"}, "B": {"A"}, "A": set(), "D": set()}) == ["A", "D", "B", "C"]
    assert graph.reverse({"C": {"B"}, "B": set()}) == {"C": set(), "B": {"C"}}
    with pytest.raises(TemplateError, match=r"^Circular dependency between resources: \[A, B\]$"):
        graph.order({"A": {"B"}, "B": {"A"}, "C": set()})


def test_for_each_writes_its_copies_out() -> None:
    scope = Scope(parameters={"Names": ["x-1", "y"]}, pseudo={})
    found = extensions.expand(
        {
            "Resources": {
                "Fn::ForEach::Things": [
                    "Name",
                    {"Ref": "Names"},
                    {
                        "Thing&{Name}": {
                            "Type": "T",
                            "Properties": {"N": {"Ref": "Name"}, "S": {"Fn::Sub": "a-${Name}"}},
                        }
                    },
                ]
            }
        },
        scope,
    )
    assert found["Resources"] == {
        "Thingx1": {"Type": "T", "Properties": {"N": "x-1", "S": {"Fn::Sub": "a-x-1"}}},
        "Thingy": {"Type": "T", "Properties": {"N": "y", "S": {"Fn::Sub": "a-y"}}},
    }


def test_for_each_is_bounded() -> None:
    body: Any = {"K${A}-${B}-${C}": 1}
    loop: Any = body
    for name in "CBA":
        loop = {f"Fn::ForEach::{name}": [name, [str(n) for n in range(100)], loop]}
    with pytest.raises(TemplateError, match="more than"):
        extensions.expand({"Resources": loop}, Scope(parameters={}, pseudo={}))


def test_rules_hold_parameters_to_assertions() -> None:
    rules = {
        "Sizes": {
            "RuleCondition": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
            "Assertions": [
                {"Assert": {"Fn::Contains": [["big"], {"Ref": "Size"}]}, "AssertDescription": "big in prod"}
            ],
        }
    }
    assertions.check(rules, Scope(parameters={"Env": "dev", "Size": "small"}, pseudo={}))
    assertions.check(rules, Scope(parameters={"Env": "prod", "Size": "big"}, pseudo={}))
    with pytest.raises(TemplateError, match="big in prod"):
        assertions.check(rules, Scope(parameters={"Env": "prod", "Size": "small"}, pseudo={}))


def test_stack_policies_deny_by_default_and_deny_wins() -> None:
    policy = {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "Update:Replace", "Principal": "*", "Resource": "LogicalResourceId/Db*"},
        ]
    }
    assert stack_policy.refusal(None, "Update:Replace", "Db1", "T") is None
    assert stack_policy.refusal(policy, "Update:Modify", "Db1", "T") is None
    assert "Statement [#2] does not allow [Update:Replace]" in str(
        stack_policy.refusal(policy, "Update:Replace", "Db1", "T")
    )
    only = {
        "Statement": {
            "Effect": "Allow",
            "Action": "Update:Modify",
            "Principal": "*",
            "Resource": "*",
            "Condition": {"StringEquals": {"ResourceType": ["AWS::A::B"]}},
        }
    }
    assert stack_policy.refusal(only, "Update:Modify", "A", "AWS::A::B") is None
    assert stack_policy.refusal(only, "Update:Modify", "A", "AWS::A::C") is not None
    assert stack_policy.refusal(only, "Update:Delete", "A", "AWS::A::B") is not None


@pytest.mark.parametrize(
    "statement",
    ['{"Condition": "x"}', '{"Condition": {"StringLike": "x"}}', '{"Condition": {"StringLike": {"ResourceType": [1]}}}',
     '{"Resource": [{"a": 1}]}', '{"Resource": null}', '{"NotAction": ["x"]}', "[" * 2_000],
)  # fmt: skip
def test_what_is_no_stack_policy_is_refused(statement: str) -> None:
    """Found by ./dev fuzz."""
    base = '"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"'
    text = f'{{"Statement": [{{{base}, {statement.strip("{")}]}}' if statement[0] == "{" else statement
    with pytest.raises(TemplateError):
        stack_policy.parse(text)
