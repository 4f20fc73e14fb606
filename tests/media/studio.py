"""Files through the renderer that ships, and a look at what it made of them."""

import io
import shutil
import subprocess
import tempfile
from pathlib import Path

import av
import msgspec
from PIL import Image

from models.media.media import MediaKind
from models.media.renditions import Rendition, RenditionName
from tests.media.files import CANARY
from workers.media.renditions import MediaLimits, MediaRenderer, Rendered
from workers.media.sandbox.confinement import Bounds
from workers.media.sandbox.protocol import RenderOrder
from workers.media.sandbox.sandbox import Sandbox, SandboxResult

# What Pillow and FFmpeg say of files that say nothing themselves.
_SAYS_NOTHING = frozenset(
    {
        *("jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression"),
        *("loop", "background", "duration", "timestamp"),
        *("major_brand", "minor_version", "compatible_brands", "language", "handler_name"),
        *("encoder",),
    }
)
# Groups of exiftool that are about the file's form.
_OF_FORM = ("[ExifTool]", "[File]", "[JFIF]", "[RIFF]", "[Composite]", "[QuickTime]", "[Opus]")
_OF_OGG = ["[Vorbis]", "Vendor", ":", "ffmpeg"]


class Studio:
    """`folder` takes what is made, in one folder for each file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sandbox = Sandbox("workers.media.renderers.renderer")

    async def close(self) -> None:
        await self.sandbox.close()

    async def make(
        self, kind: MediaKind, source: bytes | Path, limits: MediaLimits | None = None
    ) -> Rendered:
        path, folder = self._place(source)
        renderer = MediaRenderer(limits or MediaLimits(), sandbox=self.sandbox)
        rendered = await renderer.render(kind, path, folder)
        found = [
            msgspec.structs.replace(made, key=str(folder / made.key))
            for made in rendered.renditions
        ]
        return msgspec.structs.replace(rendered, renditions=found)

    async def measure(self, kind: MediaKind, source: bytes | Path) -> SandboxResult:
        """Return the child's own account, whatever became of the file."""
        path, folder = self._place(source)
        limits = MediaLimits()
        bounds = Bounds(limits.child_memory_bytes, limits.child_file_bytes, 60, 60)
        order = msgspec.msgpack.encode(RenderOrder(kind.name, limits))
        return await self.sandbox.run(order, path, folder, bounds)

    def _place(self, source: bytes | Path) -> tuple[Path, Path]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        made = folder / "made"
        made.mkdir()
        if isinstance(source, Path):
            return source, made
        path = folder / "source"
        path.write_bytes(source)
        return path, made


def find(rendered: Rendered, name: RenditionName) -> Rendition | None:
    return next((made for made in rendered.renditions if made.name is name), None)


def get(rendered: Rendered, name: RenditionName) -> Rendition:
    made = find(rendered, name)
    assert made is not None, f"no {name.name}"
    return made


def path_of(rendered: Rendered, name: RenditionName) -> Path:
    """Return the file of a rendition."""
    return Path(get(rendered, name).key)


def shown(rendered: Rendered, name: RenditionName = RenditionName.PREVIEW) -> Image.Image:
    """Return a rendition as a picture."""
    return Image.open(io.BytesIO(path_of(rendered, name).read_bytes()))


def check_says_nothing(rendered: Rendered, canary: bytes = CANARY.encode()) -> None:
    """Each file is of the type that it is said to be, and holds nothing beside its form."""
    for made in rendered.renditions:
        assert canary not in Path(made.key).read_bytes()
        assert Path(made.key).stat().st_size == made.byte_size
        if made.content_type.startswith("image/"):
            with Image.open(made.key) as picture:
                assert set(picture.info) <= _SAYS_NOTHING
                assert not picture.getexif()
                assert Image.MIME[picture.format or ""] == made.content_type
        else:
            with av.open(made.key) as container:
                for said in (container.metadata, *(each.metadata for each in container.streams)):
                    assert set(said) <= _SAYS_NOTHING
        _check_with_exiftool(Path(made.key))


def _check_with_exiftool(path: Path) -> None:
    """Once more, where there is one."""
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        return
    command = [exiftool, "-G", "-a", "-u", "-ee", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    more = [line.split() for line in said.splitlines() if not line.startswith(_OF_FORM)]
    assert more in ([], [_OF_OGG])
    assert "GPS" not in said
