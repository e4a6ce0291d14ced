"""A cluster shown on one machine: three nodes, PostgreSQL and an object store, each on a host of its own as far as the
network can tell; what is under way when hosts die, are cut off, or the database restarts; and whether anything was lost.

`python -m cluster`; see `cluster/__main__.py`.
"""
