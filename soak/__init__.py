"""Load held: all services mixed for as long as asked, and whether memory, files, disk and latency stay flat."""

import os

os.environ.setdefault("WORKLOADS_VISIBILITY_S", "30")
