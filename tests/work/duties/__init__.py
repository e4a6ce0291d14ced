"""Duties on several nodes of one store: their work, how they are shared, and who takes over."""
