#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the guest as a C array: embed.py GUEST HEADER. Checks that it is a static Linux program.

The array is a compressed archive with the one file "guest", which core/base/archive.h can read: less than half as large.
"""
import hashlib
import io
import lzma
import struct
import sys
import tarfile

MACHINES = {62: "amd64", 183: "arm64"}
PT_INTERP = 3


def arch(image):
    if image[:6] != b"\x7fELF\x02\x01":
        sys.exit("the guest is not a 64-bit little-endian ELF program")
    machine, = struct.unpack_from("<H", image, 18)
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for i in range(count):
        if struct.unpack_from("<I", image, offset + i * size)[0] == PT_INTERP:
            sys.exit("the guest is not static: it would need a loader of the image")
    return MACHINES.get(machine, "unknown")


def pack(image):
    """The same bytes for the same guest: names no time and no owner. To read it takes little memory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo("guest")
        member.size, member.mode = len(image), 0o555
        tar.addfile(member, io.BytesIO(image))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 18}]
    if arch(image) == "amd64":
        filters.insert(0, {"id": lzma.FILTER_X86})
    return lzma.compress(out.getvalue(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


def main():
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    packed = pack(image)
    lines = [
        "/* generated */",
        '#define GUEST_IMAGE_DIGEST "%s"' % hashlib.sha256(image).hexdigest(),
        '#define GUEST_IMAGE_ARCH "%s"' % arch(image),
        "#define GUEST_IMAGE_SIZE %d" % len(image),
        "static const unsigned char guest_image_packed[%d] = {" % len(packed),
    ]
    for at in range(0, len(packed), 24):
        lines.append("".join("%d," % b for b in packed[at:at + 24]))
    lines.append("};\n")
    with open(sys.argv[2], "w") as f:
        f.write("\n".join(lines))


main()
