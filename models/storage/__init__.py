"""Storage: the bucket of S3 (or what speaks like it) in which all media is kept."""
