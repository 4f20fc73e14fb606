"""Renders an uploaded file into its renditions.

Files are decoded in a sandbox (workers/media/sandbox/sandbox.py), and what comes out of it is
checked here: only regular files with names and types that the kind can have are accepted.
"""

import asyncio
import logging
import os
import stat
from pathlib import Path

import msgspec

from models.media.media import MediaKind
from models.media.renditions import Rendition, RenditionName
from workers.media.renderers.file_types import HEAD_BYTES, PICTURES, SOUNDS, VIDEOS, content_type_of
from workers.media.sandbox.confinement import Bounds
from workers.media.sandbox.protocol import (
    DAMAGED,
    EMPTY,
    ENDINGS,
    TOO_MUCH,
    MediaLimits,
    Rendered,
    RenderOrder,
    Unusable,
    file_name,
)
from workers.media.sandbox.sandbox import TOO_LATE, Sandbox, SandboxFailed

__all__ = [
    "MediaLimits",
    "Rendered",
    "MediaRenderer",
    "SandboxFailed",
    "TooSlow",
    "Unusable",
]

logger = logging.getLogger("parley.media")

# The limits that end a child, and what Python says when it meets one.
_TOO_MUCH = frozenset({TOO_LATE, "SIGXCPU", "SIGKILL", "MemoryError"})
_TIME = frozenset({TOO_LATE, "SIGXCPU"})
_TYPES = {
    MediaKind.IMAGE: PICTURES.keys(),
    MediaKind.VIDEO: VIDEOS.keys(),
    MediaKind.AUDIO: SOUNDS.keys(),
}
# No child makes an original: it is the file as it was uploaded.
_NAMES = frozenset({RenditionName.THUMBNAIL, RenditionName.PREVIEW, RenditionName.FULL})
# What is not quick leaves the CPU to photos, and to all else on the machine.
SLOW_NICENESS = 10
_MOST_SIDE_PX = 1 << 20
_MOST_PLACEHOLDER = 64


class TooSlow(Exception):
    """The file takes longer than one may in the quick lane."""


class MediaRenderer:
    """Renders files, each in a child of its own. Close it before the loop ends."""

    def __init__(
        self,
        limits: MediaLimits = MediaLimits(),  # noqa: B008
        *,
        sandbox: Sandbox | None = None,
        required: bool = True,
    ) -> None:
        """Take the limits. With `required`, no file is decoded where a required layer of
        confinement is not in force.
        """
        self._limits = limits
        self._sandbox = sandbox or Sandbox("workers.media.renderers.renderer", required=required)

    async def list_layers(self) -> list[str]:
        """Return the layers of confinement in which files are decoded on this machine.

        Raises:
            SandboxFailed: a required one is `missing`; or a fault of ours.
        """
        return await self._sandbox.list_layers()

    async def render(
        self, kind: MediaKind, source: Path, folder: Path, *, quick: bool = False
    ) -> Rendered:
        """Render the file into `folder`, which is empty; nothing is written elsewhere. The caller
        bounds how many run at once. With `quick`, the file may take `quick_cpu_s` and goes before
        all others.

        Raises:
            Unusable: nothing can be made of the file.
            TooSlow: it took more than a quick one may.
            SandboxFailed: it was not tried; a fault of ours.
            OSError: the file or folder is not there.
        """
        head = await asyncio.to_thread(_read_head, source)
        if not head:
            raise Unusable(EMPTY)
        if kind is MediaKind.FILE:
            return Rendered(content_type_of(head), [])
        order = msgspec.msgpack.encode(RenderOrder(kind.name, self._limits))
        ended = await self._sandbox.run(order, source, folder, self._bounds(kind, quick=quick))
        if ended.unusable is not None:
            raise Unusable(ended.unusable)
        if quick and ended.fault in _TIME:
            raise TooSlow
        if ended.fault is not None:
            logger.info("A file was not read", extra={"kind": kind.name, "error": ended.fault})
            raise Unusable(TOO_MUCH if ended.fault in _TOO_MUCH else DAMAGED)
        try:
            rendered = msgspec.msgpack.decode(ended.made, type=Rendered)
            return await asyncio.to_thread(_checked, kind, rendered, folder)
        except (msgspec.MsgspecError, ValueError, OSError):
            logger.warning("A child said what is not so", extra={"kind": kind.name})
            raise Unusable(DAMAGED) from None

    async def close(self) -> None:
        """Kill the children that run."""
        await self._sandbox.close()

    def _bounds(self, kind: MediaKind, *, quick: bool) -> Bounds:
        limits = self._limits
        cpu_s, deadline_s = limits.child_cpu_s, limits.child_deadline_s
        if kind is MediaKind.IMAGE:
            cpu_s, deadline_s = limits.picture_cpu_s, limits.picture_deadline_s
        if quick:
            cpu_s = min(cpu_s, limits.quick_cpu_s)
        return Bounds(
            memory_bytes=limits.child_memory_bytes,
            file_bytes=limits.child_file_bytes,
            cpu_s=cpu_s,
            deadline_s=deadline_s,
            niceness=0 if quick else SLOW_NICENESS,
        )


def _read_head(source: Path) -> bytes:
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _checked(kind: MediaKind, rendered: Rendered, folder: Path) -> Rendered:
    """Return what the child reported, after checking it against the files in the folder.

    Raises:
        ValueError: no child of ours makes this.
        OSError: a file is not there.
    """
    if rendered.content_type not in _TYPES[kind]:
        raise ValueError
    if len(rendered.placeholder or "") > _MOST_PLACEHOLDER:
        raise ValueError
    _check_sides(rendered.width, rendered.height)
    for rendition in rendered.renditions:
        _check_rendition(rendition, folder)
    return rendered


def _check_rendition(rendition: Rendition, folder: Path) -> None:
    if rendition.content_type not in ENDINGS or rendition.name not in _NAMES:
        raise ValueError
    if rendition.key != file_name(rendition.name, rendition.content_type):
        raise ValueError
    # No link to somewhere else, and no second name of something else.
    found = os.lstat(folder / rendition.key)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise ValueError
    if found.st_size != rendition.byte_size or found.st_size == 0:
        raise ValueError
    _check_sides(rendition.width, rendition.height)


def _check_sides(*sides_px: int | None) -> None:
    for side_px in sides_px:
        if side_px is not None and not 0 < side_px <= _MOST_SIDE_PX:
            raise ValueError
