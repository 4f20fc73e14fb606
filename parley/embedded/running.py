"""Finds the servers of a `dev` that runs now, for commands that work beside it."""

import dataclasses
import json

from parley.embedded.folder import Folder, read_credentials
from parley.settings import Settings


def with_running(settings: Settings) -> Settings:
    """Return the settings, completed from the running `dev` of that data directory."""
    if not Folder.in_use(settings.data_dir):
        return settings
    try:
        services = json.loads((settings.data_dir / "services.json").read_text())
        credentials = read_credentials(settings.data_dir)
    except FileNotFoundError:
        return settings
    found = dataclasses.replace(
        settings,
        database_url=settings.database_url or services["postgresql"]["url"],
        redis_url=settings.redis_url or services["valkey"]["url"],
        secret=settings.secret or credentials.secret,
    )
    if settings.s3_endpoint_url:
        return found
    return dataclasses.replace(
        found,
        s3_endpoint_url=services["s3"]["url"],
        aws_access_key_id=credentials.s3_access_key_id,
        aws_secret_access_key=credentials.s3_secret_access_key,
    )
