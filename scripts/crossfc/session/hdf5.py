"""Remove time stamps from HDF5 files, so that the same job always writes the same bytes.

ITK writes composite transforms as HDF5. The HDF5 library stores the time of creation in every
object header, so two runs of one job differ in these bytes and in the header's checksum. Nothing
reads these times. The layout of the header is that of the HDF5 File Format Specification 3.0,
section IV.A.1.b.
"""

import struct
from pathlib import Path

_SIGNATURE = b"OHDR"
_HAS_TIMES, _HAS_LIMITS, _SIZE_BITS = 0x20, 0x10, 0x03


def forget_times(path: str | Path) -> None:
    """Set the times in all object headers of an HDF5 file to 0 and update their checksums.

    Parameters
    ----------
    path : path
        Changed in place. Bytes that look like a header but do not match their checksum are left
        as they are, and so is a file that is not HDF5.
    """
    content = bytearray(Path(path).read_bytes())
    at = content.find(_SIGNATURE)
    while at >= 0:
        end = _end_of_header(content, at)
        if end is not None:
            content[at + 6 : at + 22] = bytes(16)
            struct.pack_into("<I", content, end, checksum(bytes(content[at:end])))
        at = content.find(_SIGNATURE, at + 1)
    Path(path).write_bytes(content)


def _end_of_header(content: bytearray, at: int) -> int | None:
    """Return the offset of the checksum of a header with times; None if there is no such header."""
    if len(content) < at + 32 or content[at + 4] != 2 or not content[at + 5] & _HAS_TIMES:
        return None
    flags = content[at + 5]
    place = at + 22 + (4 if flags & _HAS_LIMITS else 0)
    width = 1 << (flags & _SIZE_BITS)
    end = place + width + int.from_bytes(content[place : place + width], "little")
    if end + 4 > len(content):
        return None
    (stored,) = struct.unpack_from("<I", content, end)
    return end if stored == checksum(bytes(content[at:end])) else None


def checksum(data: bytes) -> int:
    """Return Jenkins's lookup3 hash (hashlittle, initial value 0), the checksum of HDF5 metadata.

    http://burtleburtle.net/bob/c/lookup3.c
    """
    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    x: int
    y: int
    z: int
    if not data:
        return c
    full = (len(data) - 1) // 12 * 12
    for place in range(0, full, 12):
        x, y, z = struct.unpack_from("<III", data, place)
        a, b, c = (a + x) & 0xFFFFFFFF, (b + y) & 0xFFFFFFFF, (c + z) & 0xFFFFFFFF
        for turn in (4, 6, 8, 16, 19, 4):
            a = ((a - c) & 0xFFFFFFFF) ^ _turned(c, turn)
            c = (c + b) & 0xFFFFFFFF
            a, b, c = b, c, a
    x, y, z = struct.unpack("<III", data[full:].ljust(12, b"\0"))
    a, b, c = (a + x) & 0xFFFFFFFF, (b + y) & 0xFFFFFFFF, (c + z) & 0xFFFFFFFF
    for turn in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _turned(b, turn)) & 0xFFFFFFFF
        a, b, c = b, c, a
    return b


def _turned(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & 0xFFFFFFFF
