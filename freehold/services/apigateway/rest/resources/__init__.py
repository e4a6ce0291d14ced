"""CloudFormation types of REST APIs."""

from freehold.services.apigateway.rest.resources import api, methods, parts, stages

TYPES = (*api.TYPES, *stages.TYPES, *methods.TYPES, *parts.TYPES)
