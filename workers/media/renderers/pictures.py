"""Renders pictures: shrunk, turned upright and written anew, without any metadata of the file.

Runs in the sandbox's child. The header decides what decoding would cost, before anything is
decoded, and only the one decoder that the content asks for is opened.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import pillow_heif
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from models.media.renditions import Rendition, RenditionName
from workers.media.renderers.animations import write_animation
from workers.media.renderers.coded_colours import SAID_WITHIN_BYTES, coded_colours, shown_as_sdr
from workers.media.renderers.colours import Colours
from workers.media.renderers.file_types import HEAD_BYTES, PICTURES, content_type_of
from workers.media.renderers.placeholder import placeholder_of
from workers.media.renderers.scans import count_scans
from workers.media.rendition_sizes import RenditionSizes
from workers.media.sandbox.protocol import (
    DAMAGED,
    NOT_A_PICTURE,
    TOO_MANY_PIXELS,
    TOO_MUCH,
    MediaLimits,
    Rendered,
    Unusable,
    file_name,
    rendition_of,
)

# These decoders, and no more, are known from here on: asked for by name, each one opens alone.
DECODERS = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
pillow_heif.options.DECODE_THREADS = 1

Size = tuple[int, int]

_MAY_MOVE = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Bytes that a pixel takes at the worst while it is decoded, turned to RGBA and shrunk.
_PIXEL_BYTES = {"JPEG": 7, "PNG": 9, "GIF": 10, "WEBP": 14, "HEIF": 11, "AVIF": 12}
_SRGB = ImageCms.createProfile("sRGB")
JPEG_QUALITIES = (82, 74, 66, 58, 50, 42)
WEBP_QUALITIES = (78, 70, 60, 50, 40)


def render_picture(source: BinaryIO, limits: MediaLimits) -> Rendered:
    """Write the renditions of a picture into the present folder.

    Raises:
        Unusable: it is not a picture, is damaged, or costs too much.
    """
    head = source.read(SAID_WITHIN_BYTES)
    content_type = content_type_of(head[:HEAD_BYTES])
    if content_type not in PICTURES:
        raise Unusable(NOT_A_PICTURE)
    source.seek(0)
    picture = open_picture(source, PICTURES[content_type], limits)
    animation = write_animation(picture, limits) if _moves(picture) else []
    orientation = _orientation_of(picture)
    # Before it is drafted.
    width, height = picture.size
    still = shrink(picture, orientation, limits.sizes.preview_px, limits)
    if (coded := _coded_colours(picture, head)) is not None:
        still = shown_as_sdr(still, coded)
    stills, placeholder = write_still(still, limits.sizes)
    if orientation >= 5:
        width, height = height, width
    return Rendered(
        content_type, [*stills, *animation], width=width, height=height, placeholder=placeholder
    )


def open_picture(source: BinaryIO, decoder: str, limits: MediaLimits) -> ImageFile.ImageFile:
    """Open the picture and read its header only.

    Raises:
        Unusable: it is damaged, or too large for the memory of the child.
    """
    Image.MAX_IMAGE_PIXELS = limits.picture_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        picture = Image.open(source, formats=[decoder])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(TOO_MANY_PIXELS) from None
    pixels = picture.width * picture.height
    # A JPEG of any size that may be is decoded at a fraction of it.
    fits = pixels * _PIXEL_BYTES[decoder] <= limits.child_memory_bytes
    if pixels > limits.picture_pixels or not fits:
        raise Unusable(TOO_MANY_PIXELS)
    if pixels == 0:
        raise Unusable(DAMAGED)
    if decoder == "JPEG":
        _require_scans(source, pixels, limits)
    return picture


def _require_scans(source: BinaryIO, pixels: int, limits: MediaLimits) -> None:
    scans = count_scans(source, limits.picture_scans)
    if scans > limits.picture_scans or scans * pixels > limits.scanned_pixels:
        raise Unusable(TOO_MUCH)


def shrink(
    picture: Image.Image, orientation: int, side_px: int, limits: MediaLimits
) -> Image.Image:
    """Return the picture upright, in sRGB, as RGB or RGBA, with at most `side_px` on its longer
    side and never larger than it was.
    """
    size = fit(picture.size, side_px)
    profile = picture.info.get("icc_profile")
    # The true size, not twice that: the decoder then leaves out what would be shrunk away.
    picture.draft(None, size)
    picture.load()
    small = _plain(picture)
    if small.size != size:
        small = small.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    if profile and len(profile) <= limits.profile_bytes:
        small = _to_srgb(small, profile)
    small = _to_rgb(small)
    if orientation in _TURNS:
        small = small.transpose(_TURNS[orientation])
    # The file's own object knows what else it says, and would write some of it again.
    if small is picture:
        small = picture.copy()
    small.info = {}
    return small


def _coded_colours(picture: Image.Image, head: bytes) -> Colours | None:
    """Return the colours that the file names by numbers. A colour profile is preferred, except for
    HDR, which a profile cannot describe.
    """
    if picture.format not in {"HEIF", "AVIF", "PNG"}:
        return None
    coded = coded_colours(head)
    has_profile = bool(picture.info.get("icc_profile"))
    return None if coded is None or (has_profile and not coded.is_hdr) else coded


def fit(size: Size, side_px: int) -> Size:
    """Return the size that fits within a square of this side; a size that fits already is returned
    unchanged.
    """
    longer = max(size)
    if longer <= side_px:
        return size
    width, height = (max(1, round(side * side_px / longer)) for side in size)
    return width, height


def write_still(picture: Image.Image, sizes: RenditionSizes) -> tuple[list[Rendition], str]:
    """Write PREVIEW and THUMBNAIL of an upright picture that has the preview's size. Return them
    and the placeholder.
    """
    thumbnail = picture.resize(
        fit(picture.size, sizes.thumbnail_px), Image.Resampling.BICUBIC, reducing_gap=2.0
    )
    as_webp = picture.mode == "RGBA" or sizes.preview_format == "WEBP"
    preview = _write_within(picture, RenditionName.PREVIEW, sizes.preview_bytes, as_webp=as_webp)
    small = _write_within(thumbnail, RenditionName.THUMBNAIL, sizes.preview_bytes, as_webp=True)
    return [preview, small], placeholder_of(thumbnail)


def write_poster(picture: Image.Image, sizes: RenditionSizes) -> tuple[list[Rendition], str]:
    """Write PREVIEW and THUMBNAIL of a video's frame. Return them and the placeholder."""
    size = fit(picture.size, sizes.poster_px)
    return write_still(picture.resize(size, Image.Resampling.BICUBIC), sizes)


# ------------------------------------------------------------------ what the file says


def _moves(picture: ImageFile.ImageFile) -> bool:
    return picture.format in _MAY_MOVE and bool(getattr(picture, "is_animated", False))


def _orientation_of(picture: Image.Image) -> int:
    """Return the EXIF orientation; 1 when there is none that makes sense."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, KeyError, TypeError, IndexError, OSError):
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


# ------------------------------------------------------------------ colours


def _plain(picture: Image.Image) -> Image.Image:
    """Return the picture in a mode that can be shrunk: without a palette, with eight bits."""
    if picture.mode.startswith("I"):
        # 16 bits of grey; `convert` would cut off what is above 255.
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if "transparency" in picture.info or picture.mode in {"PA", "LA", "La", "RGBa"}:
        return picture.convert("RGBA")
    if picture.mode in {"1", "P"}:
        return picture.convert("RGB")
    return picture


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Return the picture in sRGB; unchanged when its profile makes no sense."""
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(described).lower():
            return picture
        out_mode = picture.mode if picture.mode in {"RGBA", "L"} else "RGB"
        if out_mode == "L":
            picture, out_mode = picture.convert("RGB") if _is_rgb(described) else picture, "RGB"
        return ImageCms.profileToProfile(picture, described, _SRGB, outputMode=out_mode) or picture
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture


def _is_rgb(profile: ImageCms.ImageCmsProfile) -> bool:
    return str(profile.profile.xcolor_space).strip() == "RGB"


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    lowest = cast(tuple[int, int], picture.getchannel("A").getextrema())[0]
    return picture.convert("RGB") if lowest == 255 else picture


# ------------------------------------------------------------------ writing


def _write_within(
    picture: Image.Image, name: RenditionName, most_bytes: int, *, as_webp: bool
) -> Rendition:
    """Write the picture at the best quality that stays within the size, else at the lowest."""
    content_type = "image/webp" if as_webp else "image/jpeg"
    for encoded in _encodings(picture, as_webp=as_webp):
        if len(encoded) <= most_bytes:
            break
    with open(file_name(name, content_type), "wb") as file:
        file.write(encoded)
    return rendition_of(name, content_type, *picture.size)


def _encodings(picture: Image.Image, *, as_webp: bool) -> Iterator[bytes]:
    for quality in WEBP_QUALITIES if as_webp else JPEG_QUALITIES:
        encoded = io.BytesIO()
        save: Callable[..., None] = picture.save
        if as_webp:
            save(encoded, "WEBP", quality=quality, method=3)
        else:
            save(encoded, "JPEG", quality=quality)
        yield encoded.getvalue()
