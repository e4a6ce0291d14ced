"""API Gateway, REST APIs (V1) and HTTP APIs (V2).

Source: the errors of the operations in both API references: what the model refuses is BadRequestException, HTTP 400. An
OpenAPI definition for import is at most 6 MB for REST APIs ("Amazon API Gateway quotas").
"""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

V1 = Patch(default_max_body=6 * MIB + MIB, validation=Validation(code="BadRequestException"))
V2 = Patch(default_max_body=6 * MIB + MIB, validation=Validation(code="BadRequestException"))
