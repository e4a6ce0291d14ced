"""What Freehold costs, against a peer and against its own limits. `python -m bench` writes RESULTS.md."""
