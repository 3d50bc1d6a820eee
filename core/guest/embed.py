#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the guest as a C array: embed.py GUEST HEADER. Checks that it is a static Linux program."""
import hashlib
import struct
import sys

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


def main():
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    lines = [
        "/* generated */",
        '#define GUEST_IMAGE_DIGEST "%s"' % hashlib.sha256(image).hexdigest(),
        '#define GUEST_IMAGE_ARCH "%s"' % arch(image),
        "static const unsigned char guest_image_bytes[%d] = {" % len(image),
    ]
    for at in range(0, len(image), 24):
        lines.append("".join("%d," % b for b in image[at:at + 24]))
    lines.append("};\n")
    with open(sys.argv[2], "w") as f:
        f.write("\n".join(lines))


main()
