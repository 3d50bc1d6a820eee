# SPDX-License-Identifier: MIT
"""Archives that were made to hurt who reads them, as bytes: archives() gives {name: (bytes, what our reader must make of them)}.

The outcome is the text of list_archive.c, lines parted by " | ", without the words that libarchive has for a damage.
"""
import gzip
import io
import subprocess

GOOD = "f 0644 3 good"
PLAIN = "f 0644 0 k | " + GOOD + " | end"  # kinds that nobody knows are files
DAMAGED = "error the archive is damaged"


def field(value, size):
    return ("%0*o" % (size - 1, value)).encode() + b"\0" if not isinstance(value, bytes) else value.ljust(size, b"\0")[:size]


def head(name, kind=b"0", size=0, link=b"", mode=0o644, magic=b"ustar\x0000", prefix=b"", mtime=0, checksum=None, uid=0, major=0, minor=0):
    h = bytearray(512)
    for at, length, value in ((0, 100, name), (100, 8, mode), (108, 8, uid), (116, 8, uid), (124, 12, size), (136, 12, mtime),
                              (157, 100, link), (329, 8, major), (337, 8, minor), (345, 155, prefix)):
        h[at:at + length] = field(value, length)
    h[156:157] = kind
    h[257:265] = magic
    h[148:156] = b" " * 8
    h[148:156] = field(sum(h) if checksum is None else checksum, 7) + b" "
    return bytes(h)


def padded(data):
    return data + b"\0" * (-len(data) % 512)


def entry(name, data=b"", **more):
    more.setdefault("size", len(data))
    return head(name, **more) + padded(data)


def pax(records, kind=b"x", size=None):
    text = b""
    for key, value in records:
        body = b" " + key + b"=" + value + b"\n"
        n = len(body) + 1
        while len(str(n)) + len(body) != n:
            n = len(str(n)) + len(body)
        text += str(n).encode() + body
    return entry(b"PaxHeaders/x", text, kind=kind, size=len(text) if size is None else size)


def gnu_long(name, kind=b"L"):
    return entry(b"././@LongLink", name + b"\0", kind=kind, magic=b"ustar  \0")


END = b"\0" * 1024
ONE = entry(b"good", b"ok\n")


def zstd(data):
    return subprocess.run(["zstd", "-q", "-3", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def zeros_packed(size, program):
    """Much of nothing, in little."""
    make = "head -c %d /dev/zero | %s" % (size, program)
    return subprocess.run(["sh", "-c", make], stdout=subprocess.PIPE, check=True).stdout


def bomb(size):
    """An entry of so many zeros, as zstd: frames may follow one another."""
    return zstd(head(b"bomb", size=size)) + zeros_packed(size, "zstd -q -3 -c") + zstd(END)


def refused(name):
    return "error '%s' cannot be a name in an archive" % name


def names():
    for what, name, shown in (
            ("a way up", b"../x", "../x"), ("two ways up", b"../../x", "../../x"), ("a way up in the middle", b"a/../../x", "a/../../x"),
            ("a way up that comes back", b"a/../b", "a/../b"), ("a way up at the end", b"a/..", "a/.."), ("only a way up", b"..", ".."),
            ("a way up behind a dot", b"./../x", "../x"), ("an absolute name", b"/etc/x", "/etc/x"),
            ("two slashes in front", b"//etc/x", "//etc/x"), ("an empty part", b"a//b", "a//b"), ("a dot in the middle", b"a/./b", "a/./b"),
            ("a way up with slashes behind", b"../", ".."), ("a dot and many slashes", b".//../x", "../x")):
        yield what, entry(name, b"ok\n") + END, refused(shown)
        yield what + ", as pax says", pax([(b"path", name)]) + entry(b"harmless", b"ok\n") + END, refused(shown)
    yield "an absolute name by prefix", entry(b"x", b"ok\n", prefix=b"/etc") + END, refused("/etc/x")
    yield "a way up by prefix", entry(b"x", b"ok\n", prefix=b"..") + END, refused("../x")
    yield "a way up in a long name", gnu_long(b"../" + b"n" * 200) + entry(b"n", b"ok\n", magic=b"ustar  \0") + END, refused("../" + "n" * 200)
    yield "a way up for all entries", pax([(b"path", b"../x")], kind=b"g") + ONE + END, GOOD + " | end"
    yield "backslashes", entry(b"..\\..\\x", b"ok\n") + END, "f 0644 3 ..\\134..\\134x | end"
    yield "a drive letter", entry(b"C:x", b"ok\n") + END, "f 0644 3 C:x | end"
    yield "dots that are no way up", entry(b".../..a", b"ok\n") + END, "f 0644 3 .../..a | end"
    yield "an empty name", entry(b"", b"ok\n") + END, "error '' cannot be a name in an archive"
    yield "the root as a file", entry(b"./", b"") + END, "end"  # what ends in a slash is a folder, and the root is no entry
    yield "the root as a folder", entry(b"./", kind=b"5", mode=0o700) + ONE + END, GOOD + " | end"
    yield "a NUL in a pax name", pax([(b"path", b"a\0../../x")]) + ONE + END, "f 0644 3 a | end"
    yield "a newline in a name", entry(b"a\nb", b"ok\n") + END, "f 0644 3 a\\012b | end"
    yield "escapes in a name", entry(b"\x1b[2J", b"ok\n") + END, "f 0644 3 \\033[2J | end"
    yield "a name that is not UTF-8", entry(b"\xff\xfe", b"ok\n") + END, "f 0644 3 \\377\\376 | end"
    yield "a pax name that is not UTF-8", pax([(b"path", b"\xff\xfe")]) + ONE + END, DAMAGED
    yield "a name of 100 bytes without an end", entry(b"n" * 100, b"ok\n") + END, "f 0644 3 " + "n" * 100 + " | end"
    yield "a name of a megabyte", pax([(b"path", b"n" * (1 << 20))]) + ONE + END, DAMAGED
    yield "a name of a hundred megabytes", gnu_long(b"n" * (100 << 20)) + ONE + END, DAMAGED
    yield "a name of many folders", pax([(b"path", b"d/" * 5000 + b"f")]) + ONE + END, "f 0644 3 " + "d/" * 5000 + "f | end"


def links():
    yield "a link out, and a file through it", entry(b"l", kind=b"2", link=b"/etc") + entry(b"l/x", b"ok\n") + END, "l 0644 0 l -> /etc | f 0644 3 l/x | end"
    yield "a link up, and a file through it", entry(b"l", kind=b"2", link=b"..") + entry(b"l/x", b"ok\n") + END, "l 0644 0 l -> .. | f 0644 3 l/x | end"
    yield "a link to itself", entry(b"l", kind=b"2", link=b"l") + END, "l 0644 0 l -> l | end"
    yield "a link without a target", entry(b"l", kind=b"2") + END, "error link 'l' has no target"
    yield "a link with content", entry(b"l", b"evil\n", kind=b"2", link=b"x") + ONE + END, "l 0644 0 l -> x | " + DAMAGED
    yield "a link at an absolute place", entry(b"/l", kind=b"2", link=b"x") + END, refused("/l")
    yield "a link up by pax", pax([(b"linkpath", b"../../x")]) + entry(b"l", kind=b"2", link=b"y") + END, "l 0644 0 l -> ../../x | end"
    yield "a hard link out", entry(b"h", kind=b"1", link=b"/etc/passwd") + END, refused("/etc/passwd")
    yield "a hard link up", entry(b"h", kind=b"1", link=b"../x") + END, refused("../x")
    yield "a hard link up by pax", pax([(b"linkpath", b"../../x")]) + entry(b"h", kind=b"1", link=b"good") + END, refused("../../x")
    yield "a hard link with content", entry(b"h", b"evil\n", kind=b"1", link=b"good") + ONE + END, "h 0644 0 h -> good | " + DAMAGED
    yield "a hard link to itself", entry(b"h", kind=b"1", link=b"h") + END, "h 0644 0 h -> h | end"
    yield "a hard link to what is not there", entry(b"h", kind=b"1", link=b"none") + END, "h 0644 0 h -> none | end"
    yield "a hard link to a link", entry(b"l", kind=b"2", link=b"/etc/passwd") + entry(b"h", kind=b"1", link=b"l") + END, \
        "l 0644 0 l -> /etc/passwd | h 0644 0 h -> l | end"
    yield "a long link target up", gnu_long(b"../" * 100, b"K") + entry(b"h", kind=b"1", link=b"x", magic=b"ustar  \0") + END, refused("../" * 99 + "..")
    yield "a hard link without a target", entry(b"h", kind=b"1") + END, "error 'h' in the archive is neither file, folder nor link"


def kinds():
    for what, kind in (("a character device", b"3"), ("a block device", b"4"), ("a pipe", b"6")):
        yield what, entry(b"n", kind=kind, major=1, minor=3) + ONE + END, "error 'n' in the archive is neither file, folder nor link"
    for kind, wanted in ((b"7", PLAIN), (b"8", PLAIN), (b"Z", PLAIN), (b"N", PLAIN), (b"A", DAMAGED), (b"D", "d 0644 0 k | " + GOOD + " | end"),
                         (b"V", GOOD + " | end"), (b"M", "error 'k' in the archive is neither file, folder nor link"), (b"\xff", DAMAGED)):
        yield "kind %r" % kind.decode("latin-1"), entry(b"k", kind=kind) + ONE + END, wanted
    yield "set-uid", entry(b"s", b"ok\n", mode=0o6755) + END, "f 6755 3 s | end"
    yield "a mode of all bits", entry(b"s", b"ok\n", mode=0o7777777) + END, "f 7777 3 s | end"
    yield "a folder with content", entry(b"d/", b"evil\n", kind=b"5") + ONE + END, "d 0644 0 d | " + DAMAGED
    yield "a file that ends in a slash", entry(b"d/", b"ok\n") + END, "d 0644 0 d | " + DAMAGED
    yield "folder, then link, then file", entry(b"d/", kind=b"5") + entry(b"d", kind=b"2", link=b"/etc") + entry(b"d/x", b"ok\n") + END, \
        "d 0644 0 d | l 0644 0 d -> /etc | f 0644 3 d/x | end"
    yield "file, then folder", entry(b"d", b"ok\n") + entry(b"d/", kind=b"5") + END, "f 0644 3 d | d 0644 0 d | end"
    yield "the same file twice", ONE + ONE + END, GOOD + " | " + GOOD + " | end"
    yield "names that differ in case", entry(b"A", b"1") + entry(b"a", b"2") + END, "f 0644 1 A | f 0644 1 a | end"


def numbers():
    yield "a negative size", entry(b"n", size=b"-0000000001\0") + END, DAMAGED
    yield "a size of base 256, negative", entry(b"n", size=b"\xff" * 12) + END, DAMAGED
    yield "a size of base 256, huge", entry(b"n", size=b"\x80" + b"\x7f" * 11) + END, DAMAGED
    yield "a size of 8 EiB", entry(b"n", size=b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff") + END, DAMAGED
    yield "a size that is no number", entry(b"n", size=b"12x4567890z\0") + END, DAMAGED
    yield "a size larger than the archive", entry(b"n", size=1 << 30) + b"x" * 512, "f 0644 1073741824 n | " + DAMAGED
    yield "a size by pax, larger", pax([(b"size", b"99999999999")]) + ONE + END, "f 0644 99999999999 good | " + DAMAGED
    yield "a size by pax, smaller", pax([(b"size", b"1")]) + entry(b"n", b"ok\n" * 400) + END, "f 0644 1 n | " + DAMAGED
    yield "a size by pax, negative", pax([(b"size", b"-1")]) + ONE + END, DAMAGED
    yield "a size by pax, no number", pax([(b"size", b"0x10")]) + ONE + END, "f 0644 0 good | " + DAMAGED
    yield "a size by pax that hides an entry", pax([(b"size", b"0")]) + entry(b"a", entry(b"../evil", b"evil\n")) + END, "f 0644 0 a | error '../evil' cannot be a name in an archive"
    yield "times before 1970", entry(b"n", b"ok\n", mtime=b"\xff" * 12) + END, "f 0644 3 n | end"
    yield "times of the far future", pax([(b"mtime", b"99999999999999999999.999999999")]) + ONE + END, GOOD + " | end"
    yield "times that are no numbers", pax([(b"mtime", b"nan")]) + ONE + END, GOOD + " | end"
    yield "owners of all bits", entry(b"n", b"ok\n", uid=0o7777777) + END, "f 0644 3 n | end"
    yield "a wrong checksum", entry(b"n", b"ok\n", checksum=1) + END, DAMAGED
    yield "a checksum of none", entry(b"n", b"ok\n", checksum=b"\0" * 7) + END, DAMAGED


def extensions():
    yield "a pax record of no length", entry(b"p", b"=x\n", kind=b"x") + ONE + END, DAMAGED
    yield "a pax record longer than its header", entry(b"p", b"999999 path=x\n", kind=b"x") + ONE + END, DAMAGED
    yield "a pax record of length 0", entry(b"p", b"0 path=x\n", kind=b"x") + ONE + END, DAMAGED
    yield "a pax record of length 2^64", entry(b"p", b"18446744073709551616 path=x\n", kind=b"x") + ONE + END, DAMAGED
    yield "a pax header of a terabyte", entry(b"p", kind=b"x", size=1 << 33) + ONE + END, DAMAGED
    yield "a pax header of 64 MiB", entry(b"p", b"30 comment=" + b"x" * (64 << 20), kind=b"x") + ONE + END, DAMAGED
    yield "a hundred thousand pax records", pax([(b"k%d" % i, b"v") for i in range(100000)]) + ONE + END, DAMAGED
    yield "a thousand pax headers in a row", pax([(b"comment", b"x")]) * 1000 + ONE + END, DAMAGED
    yield "ten thousand long names in a row", gnu_long(b"x") * 10000 + ONE + END, DAMAGED
    yield "a pax header and no entry", pax([(b"path", b"x")]) + END, DAMAGED
    yield "a long name and no entry", gnu_long(b"x") + END, DAMAGED
    yield "a pax charset that lies", pax([(b"hdrcharset", b"BINARY"), (b"path", b"../\xff")]) + ONE + END, "error '../\\377' cannot be a name in an archive"
    yield "attributes and capabilities", pax([(b"SCHILY.xattr.security.capability", b"\1\0\0\2"), (b"SCHILY.xattr.trusted.x", b"y")]) + ONE + END, GOOD + " | end"
    yield "a resource fork of a Mac", entry(b"._good", b"ok\n") + ONE + END, "f 0644 3 ._good | f 0644 3 good | end"
    sparse = bytearray(head(b"sparse", kind=b"S", size=512, magic=b"ustar  \0"))
    sparse[386:398], sparse[398:410], sparse[483:495] = field(0, 12), field(512, 12), field(1 << 32, 12)
    sparse[148:156] = b" " * 8
    sparse[148:156] = field(sum(sparse), 7) + b" "
    yield "a sparse file of 4 GiB", bytes(sparse) + b"x" * 512 + END, "f 0644 268435968 sparse | enough"
    yield "a sparse file of a terabyte by pax", pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % (1 << 40)),
                                                     (b"GNU.sparse.name", b"sparse")]) + entry(b"x", padded(b"1\n0\n1\n")) + END, "f 0644 0 sparse | end"
    yield "a sparse name up by pax", pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"0"),
                                          (b"GNU.sparse.name", b"../x")]) + entry(b"x", padded(b"0\n")) + END, "error '../x' cannot be a name in an archive"
    yield "a sparse map that overlaps", pax([(b"GNU.sparse.size", b"10"), (b"GNU.sparse.numblocks", b"2"), (b"GNU.sparse.map", b"0,10,0,10")]) + entry(b"x", b"y" * 20) + END, "f 0644 10 x | " + DAMAGED
    yield "a sparse map that runs backwards", pax([(b"GNU.sparse.size", b"10"), (b"GNU.sparse.map", b"9,-1,-5,99999999999999999999")]) + entry(b"x", b"y" * 20) + END, DAMAGED


def wholes():
    yield "nothing", b"", DAMAGED
    yield "one byte", b"x", DAMAGED
    yield "only zeros", b"\0" * 10240, "end"
    yield "no tar at all", b"#!/bin/sh\nrm -rf /\n" * 100, DAMAGED
    yield "cut in a header", ONE[:300], DAMAGED
    yield "cut in the content", entry(b"n", b"x" * 5000)[:2000], "f 0644 5000 n | " + DAMAGED
    yield "cut before the end", ONE, GOOD + " | end"
    yield "bytes behind the end", ONE + END + b"garbage" * 1000, GOOD + " | end"
    yield "another archive behind the end", ONE + END + entry(b"../evil", b"evil\n") + END, GOOD + " | end"
    yield "one empty block, then more", ONE + b"\0" * 512 + entry(b"more", b"ok\n") + END, GOOD + " | end"
    yield "zeros without end", ONE + b"\0" * (8 << 20), GOOD + " | end"
    yield "gzip, cut", gzip.compress(ONE + END)[:-8], DAMAGED
    yield "gzip with a wrong checksum", gzip.compress(ONE + END)[:-8] + b"\0" * 8, GOOD + " | end"
    yield "zstd, cut", zstd(ONE + END)[:-6], DAMAGED
    yield "zstd with a wrong byte", zstd(ONE + END)[:-9] + b"\xff" + zstd(ONE + END)[-8:], DAMAGED
    yield "zstd that wants a window of gigabytes", b"\x28\xb5\x2f\xfd\x00\xf8" + b"\0" * 100, DAMAGED
    yield "zstd in two frames", zstd(ONE) + zstd(END), GOOD + " | end"
    yield "zstd frames to be skipped", b"\x50\x2a\x4d\x18\x04\0\0\0abcd" * 1000 + zstd(ONE + END), GOOD + " | end"
    yield "zstd in zstd", zstd(zstd(ONE + END)), GOOD + " | end"
    yield "gzip in gzip a hundred times", nested_gzip(100), DAMAGED
    yield "a zstd bomb of a gigabyte", bomb(1 << 30), "f 0644 268435456 bomb | enough"
    yield "a zstd bomb in a header", zstd(head(b"././@LongLink", kind=b"L", size=1 << 30, magic=b"ustar  \0")) + zeros_packed(1 << 30, "zstd -q -3 -c"), DAMAGED
    yield "a gzip bomb", gzip.compress(head(b"bomb", size=1 << 29)) + zeros_packed(1 << 29, "gzip -c") + gzip.compress(END), "f 0644 268435456 bomb | enough"
    yield "a zip", b"PK\x03\x04" + b"\0" * 600, DAMAGED
    yield "a cpio", b"070701" + b"0" * 104 + b"../evil\0", DAMAGED
    yield "a 7z, an xar, a shell archive", b"7z\xbc\xaf\x27\x1cxar!#!/bin/sh" + b"\0" * 600, DAMAGED
    yield "a compressor that is a program", b"\x1f\x9d" + b"\xff" * 1000, DAMAGED
    yield "an uuencoded archive", b"begin 644 x\n#;VL*\n`\nend\n" + b"\n" * 600, DAMAGED
    yield "a signature of an rpm", b"\xed\xab\xee\xdb\x03\0" + b"\0" * 600, DAMAGED


def nested_gzip(times):
    data = ONE + END
    for _ in range(times):
        data = gzip.compress(data)
    return data


def archives():
    out = {}
    for part in (names, links, kinds, numbers, extensions, wholes):
        for what, data, wanted in part():
            assert what not in out, what
            out[what] = (data, wanted)
    return out


def good_pack(members):
    out = io.BytesIO()
    for number, data in enumerate(members, 1):
        out.write(entry(b"%d" % number, data, mode=0o600))
    return out.getvalue()
