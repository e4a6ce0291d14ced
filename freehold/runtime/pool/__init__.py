"""The pool of function instances: reuse, growth on demand, limits, freezing, expiry."""

from freehold.runtime.pool.pool import Pool

__all__ = ["Pool"]
