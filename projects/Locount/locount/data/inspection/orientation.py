"""The EXIF orientation of a JPEG file, set to upright without touching anything else."""

from __future__ import annotations

import struct

from PIL.ExifTags import Base

_UPRIGHT = 1
_APP1, _START_OF_SCAN = 0xE1, 0xDA
_FORMATS = {3: "H", 4: "I"}  # TIFF's types SHORT and LONG


def upright(data: bytes) -> bytes | None:
    """The file with orientation 1; None if it is not a JPEG file or has no EXIF orientation."""
    tiff = _exif_position(data)
    if tiff is None:
        return None
    order = "<" if data[tiff : tiff + 2] == b"II" else ">"
    try:
        directory = tiff + struct.unpack_from(f"{order}I", data, tiff + 4)[0]
        (num_entries,) = struct.unpack_from(f"{order}H", data, directory)
        for entry in range(directory + 2, directory + 2 + 12 * num_entries, 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, entry)
            if tag == Base.Orientation and kind in _FORMATS:
                changed = bytearray(data)
                struct.pack_into(order + _FORMATS[kind], changed, entry + 8, _UPRIGHT)
                return bytes(changed)
    except struct.error:  # an offset that leads out of the file
        return None
    return None


def _exif_position(data: bytes) -> int | None:
    """Where the TIFF header of the EXIF segment begins."""
    if data[:2] != b"\xff\xd8":
        return None
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _START_OF_SCAN:
            return None
        if marker == _APP1 and data[position + 4 : position + 10] == b"Exif\0\0":
            return position + 10
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return None
