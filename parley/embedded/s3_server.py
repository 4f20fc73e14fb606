"""nanio on loopback, with the headers that browsers ask for, what it lacks of S3, and our bucket
made.

`python -m parley.embedded.s3_server DATA_DIR PORT BUCKET REGION`; its keys are those of the data
directory.
"""

import sys
from pathlib import Path

import uvicorn
from nanio.app import build_app
from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings
from nanio.storage.filesystem import FilesystemStorage
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from parley.embedded.folder import read_credentials
from parley.embedded.s3_gaps import Gaps, SafeHeaders


def main(data_dir: Path, port: int, bucket: str, region: str) -> None:
    keys = read_credentials(data_dir)
    settings = Settings(
        data_dir=data_dir / "s3",
        region=region,
        credentials=StaticCredentialResolver({keys.s3_access_key_id: keys.s3_secret_access_key}),
    )
    storage = FilesystemStorage(settings.data_dir)
    if bucket not in {made.name for made in storage.list_buckets()}:
        storage.create_bucket(bucket)
    nanio = build_app(settings)
    # After nanio's own, which checks signatures.
    nanio.user_middleware.append(Middleware(Gaps, storage=storage))
    app = CORSMiddleware(
        SafeHeaders(nanio),
        allow_origins=["*"],
        allow_methods=["GET", "HEAD", "PUT", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["ETag", "Content-Length", "Content-Range", "Content-Disposition"],
        max_age=3600,
    )
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
