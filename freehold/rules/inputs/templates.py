"""InputTemplate of a pipe's enrichment and target: free text, one JSON path, or JSON, with inline paths `<$.body.key>`.

Fields that carry encoded data (`body` of SQS, `data` of streams) are read as JSON where they are JSON, so that paths
lead into them.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from freehold.rules.inputs.paths import MISSING, InvalidInput, Path, compile_path
from freehold.rules.inputs.pieces import Piece, Placeholder, as_json, as_text, cut, join

MAX_TEMPLATE = 8_192

_NAMES = {
    "aws.pipes.pipe-arn": "pipe_arn",
    "aws.pipes.pipe-name": "pipe_name",
    "aws.pipes.source-arn": "source_arn",
    "aws.pipes.enrichment-arn": "enrichment_arn",
    "aws.pipes.target-arn": "target_arn",
    "aws.pipes.event.ingestion-time": "ingestion_time",
}
_EVENT, _EVENT_JSON = "aws.pipes.event", "aws.pipes.event.json"


class PipeVariables(NamedTuple):
    """What the reserved variables of a pipe stand for. `ingestion_time` is ISO 8601."""

    pipe_arn: str
    pipe_name: str
    source_arn: str
    target_arn: str
    enrichment_arn: str
    ingestion_time: str


def decoded(event: Any, encoded: Sequence[str]) -> Any:
    """The event with the fields named by `encoded` read as JSON, where they are JSON: what paths and filters see."""
    if not isinstance(event, dict):
        return event
    opened = {}
    for name in encoded:
        text = event.get(name)
        if isinstance(text, str):
            try:
                opened[name] = orjson.loads(text)
            except orjson.JSONDecodeError:
                continue
    return {**event, **opened} if opened else event


class Template:
    """A compiled template."""

    def __init__(self, pieces: list[Piece], paths: Mapping[str, Path], encoded: Sequence[str], *, json: bool) -> None:
        self._pieces, self._paths, self._encoded, self._json = pieces, paths, encoded, json

    def text(self, event: Any, variables: PipeVariables) -> str:
        """What a target that takes text is given. `event` is as received: encoded fields are opened here.

        Raises InvalidInput when it is larger than MAX_OUTPUT.
        """
        opened = decoded(event, self._encoded)

        def fill(placeholder: Placeholder) -> str:
            value = self._value(placeholder.name, event, opened, variables)
            if placeholder.quoted:
                return as_json(value) if placeholder.name == _EVENT_JSON else as_text(value)
            if self._json:
                return as_json(value)
            return "" if value is MISSING else value if isinstance(value, str) else as_json(value)

        return join(self._pieces, fill)

    def json(self, event: Any, variables: PipeVariables) -> str:
        """The same as a JSON value, for a batch: text that is not JSON becomes a JSON string."""
        only = self._pieces[0] if len(self._pieces) == 1 else None
        if isinstance(only, Placeholder):
            return as_json(self._value(only.name, event, decoded(event, self._encoded), variables))
        text = self.text(event, variables)
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return as_json(text)
        return text

    def _value(self, name: str, event: Any, opened: Any, variables: PipeVariables) -> Any:
        path = self._paths.get(name)
        if path is not None:
            return path(opened)
        if name == _EVENT:
            return event
        if name == _EVENT_JSON:
            return opened if isinstance(opened, (dict, list)) else MISSING
        return getattr(variables, _NAMES[name]) or MISSING


def compile_template(template: str, *, encoded: Sequence[str] = ()) -> Template:
    """The template, compiled. `encoded` are the source's fields that may hold JSON as text. Raises InvalidInput.

    `<...>` that is neither a path nor a reserved variable is text, as in `<b>`.
    """
    if len(template) > MAX_TEMPLATE:
        raise InvalidInput(f"InputTemplate is longer than {MAX_TEMPLATE} characters")
    like_json = template.lstrip()[:1] in ("{", "[", '"')
    minify = _is_json(template)
    paths: dict[str, Path] = {}
    pieces: list[Piece] = []
    for piece in cut(template, minify=minify):
        if isinstance(piece, str):
            pieces.append(piece)
        elif piece.name.startswith("$"):
            paths[piece.name] = compile_path(piece.name)
            pieces.append(piece)
        elif piece.name in _NAMES or piece.name in (_EVENT, _EVENT_JSON):
            pieces.append(piece)
        elif piece.name.startswith("aws.pipes."):
            raise InvalidInput(f"InputTemplate contains an unknown reserved variable <{piece.name}>")
        else:
            pieces.append(f"<{piece.name}>")
    return Template(pieces, paths, tuple(encoded), json=like_json)


def _is_json(template: str) -> bool:
    probe = join(cut(template, minify=False), lambda placeholder: "" if placeholder.quoted else "0")
    try:
        orjson.loads(probe)
    except orjson.JSONDecodeError:
        return False
    return True
