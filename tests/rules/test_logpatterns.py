"""Filter patterns: the examples of the CloudWatch Logs user guide, and what it says about the rest."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.logpatterns import BadPattern, compile_pattern


def hits(pattern, *messages):
    compiled = compile_pattern(pattern)
    return [message for message in messages if compiled.match(message) is not None]


ERRORS = ("[ERROR 400] BAD REQUEST", "[ERROR 401] UNAUTHORIZED REQUEST", "[ERROR 419] MISSING ARGUMENTS", "[WARN] fine")


def test_the_empty_pattern_matches_everything():
    assert hits("", "a", "") == ["a", ""]
    assert hits("  ", "a") == ["a"]


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("ERROR", "012"),
        ("error", ""),
        ("ERROR ARGUMENTS", "2"),
        ('"BAD REQUEST"', "0"),
        ('"[ERROR 4"', "012"),
        ("?ARGUMENTS ?UNAUTHORIZED", "12"),
        ("ERROR -ARGUMENTS", "01"),
        ('ERROR -"BAD REQUEST" -MISSING', "1"),
        ("-ERROR", "3"),
        ("WARN ?ARGUMENTS ?UNAUTHORIZED", "3"),
        ("%4[01][01]%", "01"),
        ("%BAD|WARN%", "03"),
        ("%^.WARN%", "3"),
        ("%ERROR \\d{3}%", "012"),
    ],
)
def test_terms(pattern, numbers):
    assert hits(pattern, *ERRORS) == [ERRORS[int(n)] for n in numbers]


EVENT = """{
  "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
  "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "cluster.name": "c",
  "user": {"id": 1, "email": "John.Doe@example.com"}, "bandwidth": 75.5, "latency": 1e3, "ok": true, "status": "404",
  "quote": "say \\"hi\\""}"""


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.eventType = "UpdateTrail" }',
        "{$.eventType=UpdateTrail}",
        '{ $.eventType = "Update*" }',
        "{ $.eventType = *Trail }",
        "{ $.sourceIPAddress != 123.123.* }",
        '{ $.arrayKey[0] = "value" }',
        '{ $.arrayKey[*] = "another value" }',
        "{ $.objectList[1].id = 2 }",
        "{ $.objectList[*].id = 2 }",
        "{ $.eventType = %Trail$% }",
        "{ $.eventType != %^Trail% }",
        "{ $.SomeObject IS NULL }",
        "{ $.SomeOtherObject NOT EXISTS }",
        "{ $.ok IS TRUE }",
        "{ $.ok = true }",
        "{ $.bandwidth > 75 }",
        "{ $.bandwidth <= 7.55e1 }",
        "{ $.latency = 1000 }",
        "{ $.status = 404 }",
        '{ $.status = "4*" }',
        "{ $['cluster.name'] = c }",
        '{ $.["cluster.name"] = c }',
        '{ $.user = "*" }',
        '{ $.quote = "say \\"hi\\"" }',
        '{ ($.user.id = 1) && ($.user.email = "John.Doe@example.com") }',
        "{ $.user.id = 2 && $.ok IS FALSE || $.eventType = UpdateTrail }",
        "{ $.user.id = 1 && ($.ok IS FALSE || $.eventType = UpdateTrail) }",
    ],
)
def test_json_patterns_that_match(pattern):
    assert hits(pattern, EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.eventType = "Update" }',
        "{ $.missing = 1 }",
        "{ $.missing != 1 }",
        "{ $.missing IS NULL }",
        "{ $.SomeObject NOT EXISTS }",
        '{ $.SomeObject = "*" }',
        "{ $.arrayKey[2] = value }",
        "{ $.arrayKey = value }",
        "{ $.bandwidth > 76 }",
        "{ $.eventType > 1 }",
        "{ $.ok IS FALSE }",
        "{ $.ok = 1 }",
        "{ $.user.id = 2 && ($.ok IS FALSE || $.eventType = UpdateTrail) }",
    ],
)
def test_json_patterns_that_do_not_match(pattern):
    assert not hits(pattern, EVENT)


def test_json_patterns_match_json_only():
    assert not hits('{ $.a = "*" }', "a = 1", "", '"text"', "{broken")


LINE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username, timestamp, request =*html*, status_code = 4*, bytes]", True),
        ("[ip, user, username]", False),
        ("[ip, user, username, ...]", True),
        ("[..., request, status_code, bytes]", True),
        ("[ip, ..., bytes > 1000]", True),
        ("[..., bytes < 1000]", False),
        ("[..., status_code = 404 || status_code = 410, bytes]", True),
        ("[..., status_code != 404 && status_code != 410, bytes]", False),
        ('[..., request = "GET*", s, b]', True),
        ("[ip = %127\\.0%, ...]", True),
        ("[ip != %^127%, ...]", False),
        ("[,,,,,s = 404,]", True),
        ("[a,,,,,s = 404,, b]", False),
    ],
)
def test_fields(pattern, matches):
    assert bool(hits(pattern, LINE)) is matches


def test_values_are_extracted():
    assert compile_pattern("[ip, ..., request, status_code, bytes]").match(LINE) == {
        "$ip": "127.0.0.1",
        "$2": "Prod",
        "$3": "frank",
        "$4": "10/Oct/2000:13:25:15 -0700",
        "$request": "GET /index.html HTTP/1.0",
        "$status_code": "404",
        "$bytes": "1534",
    }
    assert compile_pattern("{ $.user.id = 1 && $.eventType = * }").match(EVENT) == {
        "$.user.id": "1",
        "$.eventType": "UpdateTrail",
    }
    assert compile_pattern("ERROR").match("ERROR") == {}


@pytest.mark.parametrize(
    "pattern",
    [
        '"open',
        "a.b",
        "%something!%",
        "%(a)%",
        "%é%",
        "%[%",
        "%a% %b% %c%",
        "{ $.a = %a% && $.b = %b% && $.c = %c% }",
        "{ $.a = }",
        "{ $.a 1 }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "{ a = 1 }",
        "{ $ = 1 }",
        "{ ($.a = 1 }",
        '{ $.a > "x" }',
        "{ $.a > %x% }",
        "{}",
        "[a, b",
        "[a = 1 && b = 2]",
        "[..., a, ...]",
        "[a b]",
        "{ " + "(" * 60 + "$.a = 1" + ")" * 60 + " }",
        "x" * 1025,
    ],
)
def test_what_is_not_a_pattern_is_refused(pattern):
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@given(st.text(alphabet='ab ?-"%{}[]()$.*=<>!&|,\\1', max_size=40), st.text(alphabet='ab "{}[]:1,', max_size=40))
def test_any_text_is_a_pattern_or_refused_and_never_breaks(pattern, message):
    try:
        compiled = compile_pattern(pattern)
    except BadPattern:
        return
    compiled.match(message)


def test_asterisks_cost_no_more_than_the_length_of_the_message():
    """Found by ./dev fuzz: the regular expression that this was made into ran for hours."""
    begun = time.process_time()
    assert hits('{ $.a = "' + "a*" * 12 + 'b" }', json.dumps({"a": "a" * 4_000})) == []
    assert time.process_time() - begun < 0.5
    assert hits('{ $.a = "a*b*c" }', '{"a": "a--b--c"}', '{"a": "a--c--b"}') == ['{"a": "a--b--c"}']
