"""`freehold doctor`: what this host offers functions, what is missing, and how to get it."""

from __future__ import annotations

from freehold.runtime.host import survey


def examine() -> int:
    """Print the findings; 0 when nothing is missing, else 1."""
    findings = survey()
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{'ok ' if finding.ok else '-- '} {finding.name:<{width}}  {finding.detail}")
        if finding.remedy:
            print(f"    {'':<{width}}  → {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 1
