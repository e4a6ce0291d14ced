"""API Gateway, REST APIs (V1) and HTTP APIs (V2).

Source: the errors of the operations in both API references: what the model refuses is BadRequestException, HTTP 400. An
OpenAPI definition for import is at most 6 MB for REST APIs ("Amazon API Gateway quotas").
"""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

V1 = Patch(default_max_body=6 * MIB + MIB, validation=Validation(code="BadRequestException"))
V2 = Patch(
    default_max_body=6 * MIB + MIB,
    validation=Validation(code="BadRequestException"),
    lengths={
        "StringWithLengthBetween0And1024": (0, 1_024),
        "StringWithLengthBetween0And2048": (0, 2_048),
        "StringWithLengthBetween0And32K": (0, 32_768),
        "StringWithLengthBetween1And1024": (1, 1_024),
        "StringWithLengthBetween1And128": (1, 128),
        "StringWithLengthBetween1And1600": (0, 1_600),
        "StringWithLengthBetween1And256": (1, 256),
        "StringWithLengthBetween1And512": (1, 512),
        "StringWithLengthBetween1And64": (1, 64),
        "UriWithLengthBetween1And2048": (1, 2_048),
    },
)
