"""Power cuts: the disk as it would be found, rebuilt from a record of what was written and what was synced."""
