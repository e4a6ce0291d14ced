"""Checks of keys and items against a table's schema, with AWS's messages."""

from __future__ import annotations

from freehold.rules.dynamodb import values
from freehold.rules.dynamodb.values import Item, Measure, Value, invalid, text_size, type_of
from freehold.services.dynamodb.model import MAX_HASH_BYTES, MAX_SORT_BYTES, Schema, is_empty_key

_INVALID = "One or more parameter values were invalid: "
_NOT_VALID = "One or more parameter values are not valid. "
_MISMATCH = "The provided key element does not match the schema"


def check_key(schema: Schema, key: Item) -> None:
    """Check and normalize a Key: exactly the table's key attributes, of their types and within their limits."""
    keys = schema.keys
    if len(key) != len(keys):
        for given in key.values():
            values.check(given)
        raise invalid(_MISMATCH)
    for name, kind, limit in keys:
        value = key.get(name)
        if value is None:
            raise invalid(_MISMATCH)
        content = value.get(kind)
        if content and kind != "N" and len(value) == 1 and 4 * len(content) <= limit:
            continue
        values.check(value)
        if kind not in value:
            raise invalid(_MISMATCH)
        _check_extent(name, value, is_hash=name == schema.hash)


def _check_extent(name: str, value: Value, *, is_hash: bool) -> None:
    ((kind, content),) = value.items()
    if kind == "N":
        return
    if not content:
        what = "string" if kind == "S" else "binary"
        raise invalid(
            f"{_NOT_VALID}The AttributeValue for a key attribute cannot contain an empty {what} value. Key: {name}"
        )
    size = text_size(content) if kind == "S" else len(content)
    if is_hash and size > MAX_HASH_BYTES:
        raise invalid(_INVALID + f"Size of hashkey has exceeded the maximum size limit of{MAX_HASH_BYTES} bytes")
    if not is_hash and size > MAX_SORT_BYTES:
        raise invalid(
            _INVALID + f"Aggregated size of all range keys has exceeded the size limit of {MAX_SORT_BYTES} bytes"
        )


def check_item(schema: Schema, item: Item) -> Measure:
    """Check and normalize an item that is to be put."""
    measure = values.check_item(item)
    for name, expected, limit in schema.keys:
        value = item.get(name)
        if value is None:
            raise invalid(_INVALID + f"Missing the key {name} in the item")
        content = value.get(expected)
        if content is None:
            raise invalid(_INVALID + f"Type mismatch for key {name} expected: {expected} actual: {type_of(value)}")
        if content and 4 * len(content) <= limit:  # whatever its characters are
            continue
        _check_extent(name, value, is_hash=name == schema.hash)
    if schema.index_attributes:
        _check_index_keys(schema, item)
    if measure.size > values.MAX_ITEM_SIZE:
        raise invalid("Item size has exceeded the maximum allowed size")
    return measure


def _check_index_keys(schema: Schema, item: Item) -> None:
    for name, indexes in schema.index_attributes.items():
        value = item.get(name)
        if value is None:
            continue
        expected = schema.key_type(name)
        if expected not in value:
            raise invalid(
                _INVALID + f"Type mismatch for Index Key {name} Expected: {expected} Actual: {type_of(value)} "
                f"IndexName: {indexes[0]}"
            )
        empty = is_empty_key(value)
        if empty:
            raise invalid(
                f"{_NOT_VALID}A value specified for a secondary index key is not supported. The AttributeValue for a key "
                f"attribute cannot contain an empty {empty} value. IndexName: {indexes[0]}, IndexKey: {name}"
            )
        _check_index_extent(schema, name, value)


def _check_index_extent(schema: Schema, name: str, value: Value) -> None:
    for index in schema.indexes:
        if name == index.hash:
            _check_extent(name, value, is_hash=True)
        elif name == index.sort:
            _check_extent(name, value, is_hash=False)


def check_updated(schema: Schema, item: Item, changed: frozenset[str]) -> Measure:
    """Check what an update made of an item. `changed` are the attributes that it touched."""
    measure = values.check_item(item)
    for name in schema.index_attributes.keys() & changed:
        value = item.get(name)
        if value is None:
            continue
        if schema.key_type(name) not in value:
            raise invalid("The update expression attempted to update the secondary index key to unsupported type")
        empty = is_empty_key(value)
        if empty:
            raise invalid(
                f"{_NOT_VALID}The update expression attempted to update a secondary index key to a value that is not "
                f"supported. The AttributeValue for a key attribute cannot contain an empty {empty} value."
            )
        _check_index_extent(schema, name, value)
    if measure.size > values.MAX_ITEM_SIZE:
        raise invalid("Item size to update has exceeded the maximum allowed size")
    return measure


def check_not_keys(schema: Schema, attributes: frozenset[str]) -> None:
    """An update never touches key attributes."""
    for name in schema.key_names:
        if name in attributes:
            raise invalid(_INVALID + f"Cannot update attribute {name}. This attribute is part of the key")
