"""`freehold` whose idle instances live for ten seconds instead of five minutes: `python -m bench.short_lived up ...`.

Only for the scenario of scaling to zero in a short run; everything else is as it is by default.
"""

from freehold.node.cli import main
from freehold.runtime.pool import Pool

IDLE_SECONDS = 10

if __name__ == "__main__":
    defaults = Pool.__init__.__kwdefaults__
    assert defaults is not None and defaults["idle_seconds"] == 300
    defaults["idle_seconds"] = IDLE_SECONDS
    main()
