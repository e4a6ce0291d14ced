"""Tokens of lists: where they go on, and those that are forged."""

from __future__ import annotations

import base64

import pytest

from freehold.kit.faults import Fault
from freehold.services.cloudformation import listing


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def test_a_token_says_where_its_list_goes_on() -> None:
    assert listing._position(listing._token("name"), str) == "name"
    assert listing._position(listing._token(7), int) == 7
    assert listing._position(None, int) is None


@pytest.mark.parametrize("text", ['["a"]', "7", "null", "[" * 100_000, "no json"])
def test_tokens_of_other_lists_are_refused(text: str) -> None:
    with pytest.raises(Fault, match="Invalid NextToken"):
        listing._position(token(text), str)


@pytest.mark.parametrize("text", ['"a"', "-1", "true", "1e3", "9" * 30])
def test_forged_numbers_are_refused(text: str) -> None:
    with pytest.raises(Fault, match="Invalid NextToken"):
        listing._position(token(text), int)
