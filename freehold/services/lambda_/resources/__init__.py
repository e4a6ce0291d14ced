"""CloudFormation types of Lambda."""

from __future__ import annotations

from freehold.services.lambda_.resources import function, invoke_config, layers, mapping, permissions, url, versions

TYPES = (
    function.FUNCTION,
    *versions.TYPES,
    *layers.TYPES,
    permissions.PERMISSION,
    url.URL,
    invoke_config.INVOKE_CONFIG,
    mapping.MAPPING,
)
