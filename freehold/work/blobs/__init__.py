"""Blobs: bytes of any size beside the store, named by rows.

Up to 64 KiB a blob stays inline in the row that names it. A larger one is a file (or an object of an S3-compatible
store) under a fresh id, complete and durable before `write` returns, so that a row never names bytes which a crash can
take away. The transaction that writes the naming row calls `claim`; the one that removes it calls `release`, and the file
goes after that commit. A file that nobody claimed (the server died between write and commit) is an orphan and is swept.
"""

from freehold.work.blobs.base import Backend, BlobError, BlobsUnreachable, BlobsUnusable
from freehold.work.blobs.model import INLINE, PIECE, WHOLE, Blob
from freehold.work.blobs.room import Blobs

__all__ = ["INLINE", "PIECE", "WHOLE", "Backend", "Blob", "BlobError", "Blobs", "BlobsUnreachable", "BlobsUnusable"]
