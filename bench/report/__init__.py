"""RESULTS.md: each figure beside its peers', its target, and whether it was met."""
