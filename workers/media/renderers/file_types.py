"""File types: what a file is by its first bytes, whatever it is called: an allow-list, to which
everything else is unknown.

Nothing is decoded and nothing unpacked. What a browser would run (HTML, SVG, XML, scripts) has no
name here.
"""

import re

HEAD_BYTES = 4096
UNKNOWN = "application/octet-stream"

# Content type to Pillow's name of the one decoder that may open it.
PICTURES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/heic": "HEIF",
    "image/avif": "AVIF",
}
# Content type to FFmpeg's name of the one demuxer that may open it.
_MOV = "mov,mp4,m4a,3gp,3g2,mj2"
VIDEOS = {
    "video/mp4": _MOV,
    "video/quicktime": _MOV,
    "video/3gpp": _MOV,
    "video/webm": "matroska,webm",
    "video/x-matroska": "matroska,webm",
}
SOUNDS = {
    "audio/mp4": _MOV,
    "audio/webm": "matroska,webm",
    "audio/x-matroska": "matroska,webm",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/amr": "amr",
}
# A container that may hold a video is one of sound when it holds none.
SOUND_OF = {
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/3gpp": "audio/mp4",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
}

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"OggS\0", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"#!AMR\n", "audio/amr"),
    (b"#!AMR-WB\n", "audio/amr"),
    (b"%PDF-", "application/pdf"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)
_BRANDS = (
    (re.compile(rb"avi[fs]"), "image/avif"),
    (re.compile(rb"he(?:i[cxms]|v[cxms])|mif1|msf1"), "image/heic"),
    (re.compile(rb"M4[AB] "), "audio/mp4"),
    (re.compile(rb"qt  "), "video/quicktime"),
    (re.compile(rb"3g[p2]."), "video/3gpp"),
    (re.compile(rb"iso[m2-9]|mp4[12]|avc1|M4V |dash|mmp4|MSNV|f4v |XAVC|cmf."), "video/mp4"),
)
# A QuickTime file of old begins with one of these atoms.
_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
_OFFICE = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_STORED_TYPE = re.compile(
    rb"PK\x03\x04.{26}mimetype(application/(?:epub\+zip|vnd\.oasis\.opendocument\.[a-z]{4,12}))"
    rb"(?=PK|[^a-z+.-])",
    re.DOTALL,
)
_MARKUP = re.compile(rb"^\s*<|<(?:!doctype|\?|html|head|body|script|svg|iframe|img)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def content_type_of(head: bytes) -> str:
    """Return the content type by the file's first `HEAD_BYTES`; `UNKNOWN` when it is on no list."""
    for signature, content_type in _SIGNATURES:
        if head.startswith(signature):
            return content_type
    return (
        _in_riff(head)
        or _in_boxes(head)
        or _in_matroska(head)
        or _in_zip(head)
        or _in_frames(head)
        or _as_text(head)
        or UNKNOWN
    )


def _in_riff(head: bytes) -> str | None:
    if head[:4] != b"RIFF":
        return None
    return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])


def _in_boxes(head: bytes) -> str | None:
    """ISO base media. The main brand says what it is; where it is a stranger, those that it is
    compatible with do.
    """
    if head[4:8] in _ATOMS:
        return "video/quicktime"
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    # A still in HEIF may be AVIF, which only the others tell.
    if brands[0] in {b"mif1", b"msf1"} and {b"avif", b"avis"} & set(brands):
        return "image/avif"
    for brand in brands:
        for pattern, content_type in _BRANDS:
            if pattern.fullmatch(brand):
                return content_type
    return None


def _in_matroska(head: bytes) -> str | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    found = re.search(rb"\x42\x82[\x84-\x88](webm|matroska)", head[:128])
    if found is None:
        return None
    return "video/webm" if found[1] == b"webm" else "video/x-matroska"


def _in_zip(head: bytes) -> str | None:
    """Return the type of a ZIP archive by the names at its beginning, without unpacking
    anything.
    """
    if not head.startswith(b"PK\x03\x04"):
        return None
    stored = _STORED_TYPE.match(head)
    if stored is not None:
        return stored[1].decode()
    if b"[Content_Types].xml" in head[:128] or b"_rels/.rels" in head[:128]:
        for folder, content_type in _OFFICE:
            if folder in head:
                return content_type
    return "application/zip"


def _in_frames(head: bytes) -> str | None:
    """Tell MPEG audio without a tag by the first frame's header, which must make sense."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    layer, bit_rate, sample_rate = head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    makes_sense = head[1] & 0xE0 == 0xE0 and layer == 1 and sample_rate != 3
    return "audio/mpeg" if makes_sense and bit_rate not in {0, 15} else None


def _as_text(head: bytes) -> str | None:
    """Tell UTF-8 text without control characters and without a trace of markup."""
    if not head or _CONTROL.search(head) or _MARKUP.search(head.removeprefix(b"\xef\xbb\xbf")):
        return None
    try:
        # The last character may be cut.
        head[: len(head) - 3].decode()
        if len(head) < HEAD_BYTES:
            head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 6:
            return None
        if len(head) < HEAD_BYTES:
            return None
    return "text/plain"
