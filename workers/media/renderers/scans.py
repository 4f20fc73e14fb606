"""The scans of a JPEG, counted before anything is decoded: a progressive one may go over all of its
pixels in each of thousands of scans that take a few bytes each.
"""

import mmap
import re
from typing import BinaryIO

# What begins with FF, but for stuffed zeros, restarts and padding.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_ALONE = frozenset({0x01, 0xD8})
_SCAN, _END = 0xDA, 0xD9


def count_scans(source: BinaryIO, most: int) -> int:
    """Return the number of scans up to the end of the first picture in the file; count no further
    than one above `most`.
    """
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
        scans, at = 0, 0
        while scans <= most and (found := _MARKER.search(content, at)):
            marker, at = content[found.end() - 1], found.end()
            if marker == _END:
                break
            scans += marker == _SCAN
            if marker not in _ALONE:
                # What a segment holds, as a thumbnail, is not of the picture.
                at += max(2, int.from_bytes(content[at : at + 2], "big"))
        return scans
