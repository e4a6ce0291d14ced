"""More seeds than the suite has time for: see the package."""

from __future__ import annotations

import argparse
import sys

from tests.services.sqs.model.driving import drive


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.services.sqs.model")
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    failed = 0
    for seed in range(options.first, options.first + options.seeds):
        try:
            drive(seed, options.steps)
        except AssertionError as error:
            failed += 1
            print(error if failed <= 3 else str(error).splitlines()[0])
    print(f"{options.seeds} seeds of {options.steps} steps: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
