"""`python -m freehold`."""

from freehold.node.cli import main

main()
