"""Inputs: what a target is given instead of the whole event. Pure.

- `paths`: JSON paths as EventBridge and Pipes know them.
- `transformer`: InputTransformer of a rule's target (`InputPathsMap`, `InputTemplate`).
- `templates`: InputTemplate of a pipe's enrichment and target.

What a user writes is compiled once (`InvalidInput` tells why it may not be) and applied to many events. The text that an
application makes is bounded by MAX_OUTPUT.
"""

from freehold.rules.inputs.paths import MISSING, InvalidInput, Path, compile_path, is_path
from freehold.rules.inputs.templates import PipeVariables, Template, compile_template
from freehold.rules.inputs.transformer import RuleVariables, Transformer, compile_transformer

__all__ = (
    "MISSING",
    "InvalidInput",
    "Path",
    "PipeVariables",
    "RuleVariables",
    "Template",
    "Transformer",
    "compile_path",
    "compile_template",
    "compile_transformer",
    "is_path",
)
