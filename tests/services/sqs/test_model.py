"""Random operations on queues agree with the model of what SQS documents.

`python -m tests.services.sqs.model --seeds 5000` tries more of them.
"""

from __future__ import annotations

import pytest

from tests.services.sqs.model.driving import drive

SEEDS = 320
AT_ONCE = 40


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_queues_do_what_the_model_does(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        drive(seed)
