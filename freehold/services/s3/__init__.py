"""Amazon S3: buckets, objects and their versions, multipart uploads."""
