"""The sizes and formats of renditions: of a thumbnail, a preview, an animation, a video's poster
and the video itself.

Imports nothing else of ours, for the sandbox's children import it.
"""

import msgspec


class RenditionSizes(msgspec.Struct, frozen=True, kw_only=True):
    """How large each rendition is made, in pixels of a side and in bytes. None is enlarged."""

    thumbnail_px: int = 320  # the longer side
    preview_px: int = 1600  # the longer side
    preview_format: str = "JPEG"  # or WEBP
    preview_bytes: int = 300_000  # aimed at, down to a quality that is still good
    animation_px: int = 640  # the longer side of a moving picture
    animation_bytes: int = 5_000_000
    poster_px: int = 1280  # the longer side
    video_px: int = 720  # the shorter side of what is made
    video_long_px: int = 1920
    video_fps: int = 30
