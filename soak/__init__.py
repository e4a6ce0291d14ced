"""Load held: all services mixed for as long as asked, and whether memory, files, disk and latency stay flat."""
