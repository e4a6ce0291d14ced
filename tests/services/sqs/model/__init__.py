"""A small model of what SQS documents, and a driver that does the same random operations to it and to the service.

    python -m tests.services.sqs.model --seeds 5000 [--first 0] [--steps 60]

The model (queue.py) knows nothing of rows or indexes: a queue is a list of messages. What AWS leaves open (which of many
visible messages a receive returns) is checked as a set. The other modules are the operations, each done to a pair.
"""
