"""The order of resources: dependencies first, no circles."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.rules.templates.document import TemplateError

Graph = Mapping[str, set[str]]


def order(graph: Graph) -> list[str]:
    """Every node after the nodes it depends on, otherwise as given. Raises TemplateError on a circle."""
    waiting = {node: {dep for dep in deps if dep in graph} for node, deps in graph.items()}
    dependents: dict[str, list[str]] = {node: [] for node in waiting}
    for node, deps in waiting.items():
        for dep in deps:
            dependents[dep].append(node)
    ready = [node for node, deps in waiting.items() if not deps]
    done = []
    for node in ready:
        done.append(node)
        for dependent in dependents[node]:
            waiting[dependent].discard(node)
            if not waiting[dependent]:
                ready.append(dependent)
    if len(done) < len(waiting):
        circle = [node for node in waiting if node not in set(done)]
        raise TemplateError(f"Circular dependency between resources: [{', '.join(circle)}]")
    return done


def reverse(graph: Graph) -> dict[str, set[str]]:
    """Who must go before whom when things are deleted: dependents first."""
    out: dict[str, set[str]] = {node: set() for node in graph}
    for node, deps in graph.items():
        for dep in deps:
            if dep in out:
                out[dep].add(node)
    return out
