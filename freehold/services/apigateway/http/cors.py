"""CORS of HTTP APIs: API Gateway answers preflights itself and sets the headers of every other answer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

from typing import Any

from freehold.kit.http import Response


class Cors:
    """A compiled CorsConfiguration."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._origins = frozenset(settings.get("AllowOrigins", []))
        self._methods = settings.get("AllowMethods", [])
        self._headers = settings.get("AllowHeaders", [])
        self._exposed = settings.get("ExposeHeaders", [])
        self._credentials = settings.get("AllowCredentials", False)
        self._max_age = settings.get("MaxAge")

    def _origin(self, origin: str) -> str | None:
        """What Access-Control-Allow-Origin says to this origin; None where it is not allowed."""
        if "*" in self._origins:
            return "*"
        if origin in self._origins:
            return origin
        scheme = origin.partition("://")[0]
        return origin if f"{scheme}://*" in self._origins else None

    def preflight(self, headers: dict[str, str]) -> Response:
        """The answer to an OPTIONS request."""
        response = Response(204)
        allowed = self._origin(headers.get("origin", ""))
        if allowed is None:
            return response
        response.headers.append(("access-control-allow-origin", allowed))
        if self._methods:
            response.headers.append(("access-control-allow-methods", ",".join(self._methods)))
        if self._headers:
            response.headers.append(("access-control-allow-headers", ",".join(self._headers)))
        if self._max_age is not None and self._max_age >= 0:
            response.headers.append(("access-control-max-age", str(self._max_age)))
        self._common(response)
        return response

    def decorate(self, headers: dict[str, str], response: Response) -> None:
        """Set the headers of an answer: those of the integration are dropped."""
        response.headers = [
            (name, value) for name, value in response.headers if not name.lower().startswith("access-control-")
        ]
        allowed = self._origin(headers.get("origin", ""))
        if "origin" not in headers or allowed is None:
            return
        response.headers.append(("access-control-allow-origin", allowed))
        self._common(response)

    def _common(self, response: Response) -> None:
        if self._credentials:
            response.headers.append(("access-control-allow-credentials", "true"))
        if self._exposed:
            response.headers.append(("access-control-expose-headers", ",".join(self._exposed)))
