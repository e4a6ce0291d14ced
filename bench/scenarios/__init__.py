"""What only Freehold is asked: bursts, scale to zero, deployments under traffic, the cost of idling, memory.

Each module is one scenario: `run(context)` answers figures, `rows(figures)` the rows of its table. `TITLE` heads it.
"""
