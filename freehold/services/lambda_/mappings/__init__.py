"""Event source mappings: Lambda reads a source and invokes a function with batches of its records.

`control` are the operations, `rows` and `model` what is kept. `supervision` brings what runs in line with the rows: one
`Supervisor` for each mapping that is enabled or on its way, with a `Poller` that reads a `Source`, filters (`filters`),
gathers batches (`buffer`), invokes within the concurrency that `scaling` allows, and tells the source how each batch ended
(`responses`). A source is what differs between queues and streams: `source` is the seam, `queue_source` Amazon SQS.
"""
