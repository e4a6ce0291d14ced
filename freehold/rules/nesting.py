"""How deep a YAML text nests, told before anything recurses by it.

libyaml reads events one by one, whatever the depth; what composes them into values recurses in C without a check, so that
100 KB of brackets end the process. Counting brackets in the text does not tell: they stand in strings as well.
"""

from __future__ import annotations

from typing import Any


class TooDeep(ValueError):
    """The text nests deeper than the bound."""


def bound_yaml(text: str, most: int) -> None:
    """Refuse a text whose collections nest deeper than `most`. Raises TooDeep, yaml.YAMLError. An eighth of parsing it."""
    import yaml  # at first use: it is slow to import

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    depth = 0
    try:
        while (event := loader.get_event()) is not None:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > most:
                    raise TooDeep
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.StreamEndEvent):
                return
    finally:
        loader.dispose()
