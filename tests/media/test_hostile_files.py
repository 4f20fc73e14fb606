"""Files that mean harm are refused, or lose what they came for; and the next file is as good as
before.
"""

import asyncio
import io
import os
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from av.error import FFmpegError

from models.media.media import MediaKind
from models.media.renditions import RenditionName
from tests.media.files import CANARY, SCRIPT, encoded, many_scans, quarters, with_thumbnail
from tests.media.hostile_files import (
    HTML,
    SVG,
    box,
    concat_list,
    dash_list,
    far_apart,
    gif_and_jar,
    heavy_exif_png,
    heavy_profile_jpeg,
    jpeg_and_html,
    large_png,
    long_apng,
    long_gif,
    playlist,
    slow_wav,
    wordy_png,
    zipped_profile_png,
    zipped_text_png,
)
from tests.media.studio import Studio, check_says_nothing, shown
from workers.media.renderers.containers import Nowhere, open_container
from workers.media.renderers.file_types import content_type_of
from workers.media.renditions import Unusable
from workers.media.sandbox.protocol import TOO_MUCH, MediaLimits

SHOWN = (MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.AUDIO)
IMAGE, VIDEO, AUDIO, FILE = *SHOWN, MediaKind.FILE
MOST_PEAK_BYTES = 200 << 20
ISO_HEAD = box(b"ftyp", b"isom", bytes(4), b"isommp42")


# ------------------------------------------------------------------ bombs

BOMBS: list[Callable[[], bytes]] = [
    large_png,
    long_gif,
    long_apng,
    zipped_text_png,
    zipped_profile_png,
    wordy_png,
    heavy_profile_jpeg,
    heavy_exif_png,
]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
async def test_bombs_cost_little(studio: Studio, bomb: Callable[[], bytes]) -> None:
    ended = await studio.measure(IMAGE, bomb())
    assert ended.exit.peak_bytes < MOST_PEAK_BYTES
    assert ended.exit.cpu_s < 10
    assert await _still_works(studio)


@pytest.mark.parametrize("bomb", [large_png, zipped_text_png, zipped_profile_png])
async def test_what_unpacks_to_too_much_is_refused(
    studio: Studio, bomb: Callable[[], bytes]
) -> None:
    with pytest.raises(Unusable):
        await studio.make(IMAGE, bomb())


@pytest.mark.parametrize("bomb", [long_gif, long_apng])
async def test_10_000_frames_become_few(studio: Studio, bomb: Callable[[], bytes]) -> None:
    film = shown(await studio.make(IMAGE, bomb()), RenditionName.FULL)
    assert 1 < getattr(film, "n_frames", 1) <= 300


@pytest.mark.parametrize("bomb", [wordy_png, heavy_profile_jpeg, heavy_exif_png])
async def test_what_says_much_is_shown_without(studio: Studio, bomb: Callable[[], bytes]) -> None:
    check_says_nothing(await studio.make(IMAGE, bomb()))


async def test_a_jpeg_of_1500_scans_is_refused_before_it_is_decoded(studio: Studio) -> None:
    ended = await studio.measure(IMAGE, many_scans())
    assert ended.unusable == TOO_MUCH
    # Its pixels take seconds.
    assert ended.exit.cpu_s < 0.5


async def test_fewer_scans_of_more_pixels_are_refused_as_well(studio: Studio) -> None:
    with pytest.raises(Unusable, match="too much work"):
        await studio.make(IMAGE, many_scans(60), MediaLimits(scanned_pixels=500_000_000))


async def test_a_progressive_jpeg_as_cameras_and_sites_make_them_is_shown(studio: Studio) -> None:
    await studio.make(IMAGE, encoded(quarters(), progressive=True, exif=with_thumbnail()))
    await studio.make(IMAGE, many_scans(80, (200, 100)))


@pytest.mark.parametrize("hz", [1, 3999])
async def test_a_sound_of_few_samples_a_second_is_refused(studio: Studio, hz: int) -> None:
    with pytest.raises(Unusable):
        await studio.make(AUDIO, slow_wav(hz))


async def test_a_sound_of_slow_samples_that_are_usual_is_made(studio: Studio) -> None:
    assert (await studio.make(AUDIO, slow_wav(8000))).duration_ms == 1250


@pytest.mark.parametrize(("seconds", "is_made"), [(50, True), (100, False), (10_000, False)])
async def test_a_silence_that_a_file_only_names_is_short(
    studio: Studio, tmp_path: Path, seconds: int, is_made: bool
) -> None:
    path = far_apart(tmp_path / "sound", seconds)
    if is_made:
        assert (await studio.make(AUDIO, path)).duration_ms == pytest.approx(50_000, abs=100)
    else:
        with pytest.raises(Unusable, match="too long"):
            await studio.make(AUDIO, path)


async def test_an_archive_is_never_opened(studio: Studio) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writing:
        writing.writestr("zeros", bytes(50_000_000))
    rendered = await studio.make(FILE, archive.getvalue())
    assert (rendered.content_type, rendered.renditions) == ("application/zip", [])


async def test_this_process_grows_by_nothing(studio: Studio) -> None:
    before = _own_bytes()
    for bomb in (large_png, long_gif, zipped_text_png):
        await studio.measure(IMAGE, bomb())
    assert _own_bytes() - before < 30 << 20
    assert studio.sandbox.pid is not None
    assert _resident_bytes(studio.sandbox.pid) < 100 << 20


# ------------------------------------------------------------------ more than one thing at once


@pytest.mark.parametrize("polyglot", [jpeg_and_html, gif_and_jar])
async def test_what_is_hidden_in_a_picture_is_in_no_rendition(
    studio: Studio, polyglot: Callable[[], bytes]
) -> None:
    content = polyglot()
    assert SCRIPT in content
    rendered = await studio.make(IMAGE, content)
    check_says_nothing(rendered, b"script")
    check_says_nothing(rendered)


@pytest.mark.parametrize("content", [SVG, HTML, b"\xff\xd8" + HTML, b"GIF" + HTML, b"\n\n" + SVG])
@pytest.mark.parametrize("kind", SHOWN)
async def test_what_a_browser_would_run_is_no_media(
    studio: Studio, kind: MediaKind, content: bytes
) -> None:
    with pytest.raises(Unusable):
        await studio.make(kind, content)


@pytest.mark.parametrize(
    "content",
    [
        SVG,
        HTML,
        b"\xef\xbb\xbf  <HTML>",
        b"words, then <ScRiPt>",
        b"<?xml version='1.0'?><a/>",
        b"\0" + HTML,
        HTML.decode().encode("utf-16"),
        b"MZ\x90\0",
        b"\x7fELF",
    ],
)
async def test_as_a_file_it_has_no_type_that_a_browser_would_run(
    studio: Studio, content: bytes
) -> None:
    assert (await studio.make(FILE, content)).content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"Dear all,\nsee you at 8.\n", "text/plain"),
        ("Grüße, 你好\n".encode() * 500, "text/plain"),
        (encoded(quarters()), "image/jpeg"),
        (b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis.opendocument.textPK", None),
    ],
)
async def test_harmless_files_are_known_by_their_content(
    studio: Studio, content: bytes, content_type: str | None
) -> None:
    expected = content_type or "application/vnd.oasis.opendocument.text"
    assert (await studio.make(FILE, content)).content_type == expected


async def test_a_document_is_known_by_the_names_in_it(studio: Studio) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writing:
        for name in ("[Content_Types].xml", "_rels/.rels", "word/document.xml"):
            writing.writestr(name, "<a/>")
    rendered = await studio.make(FILE, archive.getvalue())
    assert rendered.content_type.endswith("wordprocessingml.document")


# ------------------------------------------------------------------ other people's files


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize(
    "head", [b"", ISO_HEAD, b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska", b"ID3"]
)
@pytest.mark.parametrize("make", [playlist, concat_list, dash_list])
async def test_lists_of_files_lead_nowhere(
    studio: Studio, tmp_path: Path, kind: MediaKind, head: bytes, make: Callable[[str], bytes]
) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_text(CANARY * 1000)
    async with listening() as (address_of_listener, hits):
        for address in (address_of_listener, f"file://{secret}", str(secret)):
            with pytest.raises(Unusable):
                await studio.make(kind, head + make(address))
    assert hits == []


@pytest.mark.parametrize("demuxer", ["hls", "concat", "dash"])
async def test_even_a_demuxer_of_lists_could_open_nothing(tmp_path: Path, demuxer: str) -> None:
    """Here without the sandbox: what opens containers lets none open another."""
    async with listening() as (address, hits):
        makers: dict[str, Callable[[str], bytes]] = {
            "hls": playlist,
            "concat": concat_list,
            "dash": dash_list,
        }
        with pytest.raises((FFmpegError, ValueError, Nowhere)):
            await asyncio.to_thread(_read_all, makers[demuxer](address), demuxer)
    assert hits == []


# ------------------------------------------------------------------ what is no media at all


@pytest.mark.parametrize("kind", MediaKind)
async def test_an_empty_file_is_refused(studio: Studio, kind: MediaKind) -> None:
    with pytest.raises(Unusable, match="empty"):
        await studio.make(kind, b"")


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("size", [1, 16, 5000])
async def test_noise_is_refused(studio: Studio, kind: MediaKind, size: int) -> None:
    with pytest.raises(Unusable):
        await studio.make(kind, b"\x8e" * size)


@pytest.mark.parametrize("kind", [VIDEO, AUDIO])
async def test_a_picture_is_a_picture_whatever_it_is_sent_as(
    studio: Studio, kind: MediaKind
) -> None:
    with pytest.raises(Unusable):
        await studio.make(kind, encoded(quarters()))


async def test_a_reason_says_nothing_of_the_machine(studio: Studio) -> None:
    with pytest.raises(Unusable) as refused:
        await studio.make(IMAGE, encoded(quarters())[:300])
    assert refused.value.reason == "The file is damaged, or of a kind that cannot be shown."


@pytest.mark.parametrize("size", range(0, 24))
def test_no_beginning_is_too_short_to_look_at(size: int) -> None:
    for content in (encoded(quarters()), ISO_HEAD, b"PK\x03\x04", b"RIFF\0\0\0\0WEBP", b"\xff\xfb"):
        assert isinstance(content_type_of(content[:size]), str)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, list[object]]]:
    """An address, and who has come to it."""
    hits: list[object] = []

    async def greet(_: asyncio.StreamReader, guest: asyncio.StreamWriter) -> None:
        hits.append(guest.get_extra_info("peername"))
        guest.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.ts", hits


async def _still_works(studio: Studio) -> bool:
    rendered = await studio.make(IMAGE, encoded(quarters()))
    return len(rendered.renditions) == 2


def _read_all(content: bytes, demuxer: str) -> None:
    with open_container(io.BytesIO(content), demuxer) as container:
        for _ in container.demux():
            pass


def _own_bytes() -> int:
    return _resident_bytes(os.getpid())


def _resident_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
