"""OpenAPI definitions as text: what cannot be kept is refused before anything is made of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from freehold.kit.faults import Fault
from freehold.services.apigateway.definitions import BadDefinition, read
from freehold.services.apigateway.http import openapi as http
from freehold.services.apigateway.rest import mock
from freehold.services.apigateway.rest import openapi as rest


def test_yaml_becomes_what_json_would_be() -> None:
    text = """
        openapi: 3.0.1
        info: {version: 2026-01-02}
        paths:
          /a: &a
            get: {responses: {200: {x: 1.5}}}
          /b: *a
        on: off
    """
    found = read(text)
    assert json.loads(json.dumps(found)) == found
    assert found["info"] == {"version": "2026-01-02"}
    assert found["paths"]["/b"] == found["paths"]["/a"] == {"get": {"responses": {"200": {"x": 1.5}}}}
    assert found["true"] is False


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    ["[1]", "{", "a: [", LAUGHS, "a: &a [*a]", '{"a": ' + "[" * 300 + "]" * 300 + "}", "a: " + "[" * 300 + "]" * 300,
     "a: 2026-99-99", "? [a]\n: b", "a: !!binary aaaa", "a: " + "9" * 5_000, "a: !!set {x, y}"],
    ids=range(12),
)  # fmt: skip
def test_what_no_definition_may_hold_is_refused_in_time(text: str) -> None:
    """Found by ./dev fuzz: JSON is read deeper than it is written; aliases stood for more than memory holds."""
    begun = time.process_time()
    with pytest.raises(BadDefinition):
        read(text)
    assert time.process_time() - begun < 3
    with pytest.raises(Fault):
        http.parse(text)
    with pytest.raises(Fault):
        rest.parse(text.encode())


def test_a_mock_template_that_is_no_json_is_refused() -> None:
    for template in ("{statusCode: 2026-99-99}", "{? [a] : b}"):
        with pytest.raises(Fault):
            mock.status_of(template)


def test_a_mock_template_is_read_in_time_or_refused() -> None:
    filler = '"x": "' + "y" * 200_000 + '"'
    begun = time.process_time()
    assert mock.status_of(f'{{"statusCode": 204, {filler}}}') == 204
    assert mock.status_of("{ statusCode: 204 }") == 204
    with pytest.raises(Fault, match="takes a JSON object with statusCode"):
        mock.status_of("{ statusCode: 204, " + ", ".join(f"x{n}: {n}" for n in range(20_000)) + "}")
    with pytest.raises(Fault, match="at most 300 KB"):
        mock.check_constant("y" * (300 * 1024 + 1))
    assert time.process_time() - begun < 0.2


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "9" * 40])
def test_numbers_that_json_has_not_are_refused(number: str) -> None:
    with pytest.raises(BadDefinition, match="number"):
        read(f"openapi: 3.0.1\nx: {number}\n")


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 100_000, "a:\n " + "- " * 100_000, 'x: "' + "]" * 100_000 + '"\na: ' + "[" * 100_000,
     "a: [" + "[ ']', " * 100_000, "a: " + "{" * 100_000],
    ids=range(5),
)  # fmt: skip
def test_depth_ends_no_process(text: str) -> None:
    """Composing such a text recurses in C: the process ended with SIGSEGV."""
    with pytest.raises(BadDefinition):
        read(text)


@pytest.mark.parametrize("read_it", [http.parse, lambda text: rest.parse(text.encode())], ids=["http", "rest"])
@pytest.mark.parametrize("filler", ["a" * (6 << 20), "é" * (3 << 20)], ids=["ascii", "two bytes"])
def test_a_definition_has_at_most_six_megabytes(read_it: Callable[[str], object], filler: str) -> None:
    with pytest.raises(Fault) as caught:
        read_it(f"openapi: 3.0.1\nx: {filler}")
    assert caught.value.code == "BadRequestException"


def test_aliases_stand_for_no_more_text_than_a_definition_may_have() -> None:
    """Ten thousand of them stood for ten gigabytes, which were then written out."""
    large = "x" * (1 << 20)
    assert read(f"a: &a {large}\nb: [{', '.join(['*a'] * 4)}]\n")["b"] == [large] * 4
    for text in (f"a: &a {large}\nb: [{', '.join(['*a'] * 6)}]\n", f"a: &a\n  ? {large}\n  : 1\nb: [{'*a, ' * 6}]\n"):
        with pytest.raises(BadDefinition, match="too large"):
            read(text)
