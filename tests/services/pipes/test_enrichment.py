"""What an enrichment answers."""

from __future__ import annotations

import pytest

from freehold.rules.inputs import InvalidInput
from freehold.services.pipes.enrichment import answers_of
from freehold.services.pipes.plan import filled


def test_answers_are_events() -> None:
    assert answers_of(b'[{"a": 1}, 2]') == [{"a": 1}, 2]
    assert answers_of(b"text") == ["text"]
    assert answers_of(b" ") == answers_of(b"{}") == []


def test_an_answer_nested_too_deeply_to_be_sent_on_fails() -> None:
    """JSON is read to 1,024 levels and written to 254: such an answer broke the whole pipe off."""
    assert answers_of(b"[" * 200 + b"1" + b"]" * 200)
    with pytest.raises(InvalidInput):
        answers_of(b"[" * 300 + b"1" + b"]" * 300)
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(InvalidInput):
        filled({"Key": "$.a"}, {"a": deep})
