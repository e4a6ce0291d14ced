"""CloudWatch Logs.

Sources: CloudWatch Logs API Reference, "PutLogEvents" (a batch of 1,048,576 bytes, counted as UTF-8 plus 26 bytes an
event: JSON escaping may multiply what is sent), and each operation's InvalidParameterException.
"""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

PATCH = Patch(default_max_body=8 * MIB, validation=Validation(code="InvalidParameterException"))
