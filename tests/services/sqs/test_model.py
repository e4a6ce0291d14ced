"""Random operations on queues agree with the model of what SQS documents (model.py runs more seeds)."""

from __future__ import annotations

import pytest

from tests.services.sqs.model import drive

SEEDS = 320
AT_ONCE = 40


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_queues_do_what_the_model_does(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        drive(seed)
