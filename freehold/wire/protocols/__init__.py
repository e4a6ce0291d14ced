"""The six protocols, each with a parser, a renderer and a renderer of faults."""
