"""The laws of freehold/store/base.py. Every engine passes; an engine that cannot is not a store.

A file each: order, limits, isolation, bodies, appends, watches, views, closing. The engines are in tests/store/conftest.py.
"""
