"""Asynchronous invocations: events wait in lanes, run, are tried again, and end in destinations and dead-letter queues."""
