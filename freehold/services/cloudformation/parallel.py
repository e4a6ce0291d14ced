"""Steps over a dependency graph: each starts when those it depends on are done, independent ones side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

WIDTH = 32
"""Steps under way at once."""


async def run(
    graph: Mapping[str, set[str]],
    step: Callable[[str], Awaitable[bool]],
    halted: Callable[[], bool] = lambda: False,
) -> set[str]:
    """Run `step` for every node; the nodes which were not done. A step that returns False holds back its dependents;
    nothing starts once `halted`, and what had started is awaited."""
    waiting = {node: {dep for dep in deps if dep in graph} for node, deps in graph.items()}
    dependents: dict[str, list[str]] = {node: [] for node in waiting}
    for node, deps in waiting.items():
        for dep in deps:
            dependents[dep].append(node)
    ready = [node for node, deps in waiting.items() if not deps]
    undone = set(waiting)
    tasks: dict[asyncio.Task[bool], str] = {}
    try:
        while ready or tasks:
            while ready and len(tasks) < WIDTH and not halted():
                node = ready.pop(0)
                begun = asyncio.ensure_future(step(node))
                begun.set_name(f"cloudformation: {node}")  # ids are drawn by name where a seed decides them
                tasks[begun] = node
            if not tasks:
                break
            finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                node = tasks.pop(task)
                if not task.result():
                    continue
                undone.discard(node)
                for dependent in dependents[node]:
                    waiting[dependent].discard(node)
                    if not waiting[dependent]:
                        ready.append(dependent)
    finally:
        for task in tasks:
            task.cancel()
    return undone
