"""Template text to plain values."""

from __future__ import annotations

import pytest

from freehold.rules.templates import template as templates
from freehold.rules.templates.document import TemplateError, parse


def test_short_forms_become_functions() -> None:
    found = parse(
        """
        A: !Ref X
        B: !GetAtt Some.Thing.Deep
        C: !Sub "${X}"
        D: !Join [",", [!Ref A, b]]
        E: !If [IsYes, !Ref A, !Ref "AWS::NoValue"]
        F: !GetAtt [Some, Thing]
        G: !Condition IsYes
        H: !Base64
          Fn::Sub: x
        """
    )
    assert found == {
        "A": {"Ref": "X"},
        "B": {"Fn::GetAtt": ["Some", "Thing.Deep"]},
        "C": {"Fn::Sub": "${X}"},
        "D": {"Fn::Join": [",", [{"Ref": "A"}, "b"]]},
        "E": {"Fn::If": ["IsYes", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]},
        "F": {"Fn::GetAtt": ["Some", "Thing"]},
        "G": {"Condition": "IsYes"},
        "H": {"Fn::Base64": {"Fn::Sub": "x"}},
    }


def test_dates_stay_text_and_numeric_keys_become_strings() -> None:
    assert parse("Version: 2012-10-17\nCodes: {200: ok}") == {"Version": "2012-10-17", "Codes": {"200": "ok"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "Template format error: unsupported structure."),
        ("just text", "Template format error: unsupported structure."),
        ("A: [", "Template format error: YAML not well-formed. (line 2, column 1)"),
        ('{"A": ', "Template format error: JSON not well-formed. (line 1, column 7)"),
        ("A: &x 1\nB: *x", "Template error: YAML aliases are not allowed in CloudFormation templates"),
        ("A:\n  B:", "Template format error: [/A/B] 'null' values are not allowed in templates"),
        ("A: !Unknown x", "Template format error: YAML not well-formed. (line 1, column 4)"),
    ],
)
def test_malformed_templates_are_refused_with_the_text_of_aws(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(text)
    assert caught.value.message == message


def test_depth_is_bounded() -> None:
    with pytest.raises(TemplateError, match="nested too deeply"):
        parse("[" * 5_000 + "]" * 5_000)
    with pytest.raises(TemplateError, match="nested too deeply"):
        parse('{"a":' * 5_000 + "1" + "}" * 5_000)
    with pytest.raises(TemplateError, match="nested too deeply"):
        parse("- " * 5_000 + "a")
    with pytest.raises(TemplateError, match="nested too deeply"):
        parse("a: " + "[" * 200 + "]" * 200)


@pytest.mark.parametrize(
    "text", ["x: [" + "[ ']', " * 100_000, 'x: "' + "]" * 100_000 + '"\na: ' + "[" * 100_000, "{" + "[ ']', " * 100_000]
)
def test_brackets_in_strings_do_not_hide_depth(text: str) -> None:
    """What composes YAML recurses in C: such a text ended the process with SIGSEGV."""
    with pytest.raises(TemplateError):
        parse(text)


def test_brackets_in_strings_are_no_depth() -> None:
    assert parse("a: |\n  " + "[" * 5_000 + "\n") == {"a": "[" * 5_000 + "\n"}


RESOURCES = {"A": {"Type": "T"}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "Template format error: At least one Resources member must be defined."),
        ({"Resources": RESOURCES, "Resource": {}}, "Invalid template property or properties [Resource]"),
        ({"Resources": {"a-b": {"Type": "T"}}}, "Template format error: Resource name a-b is non alphanumeric."),
        (
            {"Resources": {"A": {}}},
            "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ),
        ({"Resources": {"A": {"Type": "T", "Propertys": {}}}}, "Invalid template resource property 'Propertys'"),
        (
            {"Resources": {"A": {"Type": "T", "CreationPolicy": {}}}},
            "Template format error: Freehold does not implement the CreationPolicy attribute (logical id A)",
        ),
        (
            {"Resources": {"A": {"Type": "T", "DeletionPolicy": "Keep"}}},
            "Template format error: Unrecognized DeletionPolicy Keep.",
        ),
        (
            {"Resources": RESOURCES, "Outputs": {"O": {}}},
            "Template format error: Every Outputs member must contain a Value object",
        ),
    ],
)
def test_sections_of_the_wrong_shape_are_refused(document: dict[str, object], message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        templates.load(document)
    assert caught.value.message == message


def test_numbers_of_thousands_of_digits_are_refused() -> None:
    """Found by ./dev fuzz."""
    number = "9" * 5_000
    for text in (f'{{"Resources": {{"A": {number}}}}}', f"Resources: {{A: {number}}}"):
        with pytest.raises(TemplateError):
            parse(text)
