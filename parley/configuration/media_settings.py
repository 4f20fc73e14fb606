"""Declares the settings of storage and of media."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from models.limits.variables import (
    fraction,
    one_of,
    read_text,
    text_or_file,
    url,
    variable,
    whole,
)
from parley.configuration.variables import Wrong

Originals = Literal["files", "keep"]
_HTTP_URL = url("http://", "https://")
_read_sandbox = one_of("require", "prefer")
_read_format = one_of("JPEG", "WEBP")


def _count_spare_cpus(_: bool) -> int:
    return max(1, (os.cpu_count() or 1) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSettings:
    """Where media are kept, and how files are worked on."""

    # None: embedded
    s3_endpoint_url: str | None = variable(
        None,
        _HTTP_URL,
        "`https://…`, an S3-compatible service",
        name="S3_ENDPOINT_URL",
        shown="embedded",
    )
    s3_public_endpoint_url: str | None = variable(
        None,
        _HTTP_URL,
        "where clients reach the same service, when elsewhere: signatures cover the host",
        name="S3_PUBLIC_ENDPOINT_URL",
    )
    s3_bucket: str = variable(
        "parley",
        read_text,
        "the bucket of all media; how to set it up is in [deploy/s3.md](../deploy/s3.md)",
        name="S3_BUCKET",
    )
    media_url_ttl_s: int = variable(
        3600,
        whole(60, 7 * 86_400),
        "seconds: addresses of media hold between half of this and all of it",
    )
    media_base_url: str | None = variable(
        None,
        _HTTP_URL,
        "a CDN in front of the bucket, `https://…`; without a key its addresses are not signed",
    )
    cloudfront_key_id: str | None = variable(
        None, read_text, "signs the CDN's addresses for CloudFront"
    )
    cloudfront_private_key: str | None = variable(
        None,
        text_or_file("-----BEGIN"),
        "the key, RSA or P-256, in PEM, or the path of its file",
        secret=True,
    )
    media_originals: Originals = variable(
        "files",
        one_of("files", "keep"),
        "`files`: originals of documents only are kept; `keep`: all, though no other is handed out",
    )
    media_sandbox_required: bool = variable(
        True,
        lambda text: _read_sandbox(text) == "require",
        "(`prefer` in development) `require`: the worker does not start where files cannot be "
        "decoded under limits, seccomp and Landlock (Linux ≥ 5.13 on x86_64 or aarch64; in a "
        "container its profile must let Landlock's calls through, as Docker's and containerd's do "
        "since 2022). `prefer`: it warns and decodes them with what there is",
        name="PARLEY_MEDIA_SANDBOX",
        shown="`require`",
        unset=lambda development: not development,
    )
    media_preview_format: str = variable(
        "JPEG",
        lambda text: _read_format(text.upper()),
        "what pictures are shown as, `JPEG` or `WEBP`; what is see-through is always WebP",
    )
    media_video_s: float = variable(
        900.0, fraction(1, 86_400), "seconds of the longest video that is taken"
    )
    media_child_megabytes: int = variable(
        512,
        whole(128, 65_536),
        "most memory for one file while it is decoded, besides 100 MB of a worker. At most three "
        "lanes times `PARLEY_MEDIA_CONCURRENCY` files are decoded at once: 1.6 GB at worst with "
        "the default and one at a time, 260 MB as measured with a film and a photo",
    )
    media_concurrency: int = variable(
        1,
        whole(1, 256),
        "files that one worker decodes at the same time in each of its three lanes (photos and "
        "voice messages; long recordings and large documents; films), at least 1",
        shown="CPUs - 1",
        unset=_count_spare_cpus,
    )
    aws_access_key_id: str | None = variable(
        None,
        read_text,
        "for S3 and SMS; without it, the machine's role or profile",
        name="AWS_ACCESS_KEY_ID",
    )
    aws_secret_access_key: str | None = variable(
        None, read_text, "for S3 and SMS", name="AWS_SECRET_ACCESS_KEY", secret=True
    )
    aws_session_token: str | None = variable(
        None, read_text, "of keys that have one", name="AWS_SESSION_TOKEN", secret=True
    )
    aws_region: str = variable(
        "us-east-1",
        read_text,
        "for S3 and SMS; `AWS_DEFAULT_REGION` counts where it is not set",
        name="AWS_REGION",
        other_name="AWS_DEFAULT_REGION",
    )


def find_wrong_media(settings: MediaSettings) -> Iterator[Wrong]:
    """Find which settings of media lack others."""
    key = "PARLEY_CLOUDFRONT_PRIVATE_KEY"
    if bool(settings.cloudfront_private_key) != bool(settings.cloudfront_key_id):
        yield Wrong(key, f"PARLEY_CLOUDFRONT_KEY_ID and {key} must be set together.")
    elif settings.cloudfront_private_key and settings.media_base_url is None:
        yield Wrong(
            "PARLEY_MEDIA_BASE_URL",
            "PARLEY_MEDIA_BASE_URL must name the distribution that PARLEY_CLOUDFRONT_KEY_ID signs "
            "for.",
        )
