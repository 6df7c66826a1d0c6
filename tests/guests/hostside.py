# SPDX-License-Identifier: BSD-2-Clause
"""What the host prepares for a guest, and what it finds afterwards."""

import contextlib
import errno
import os
import socket
import stat
import struct
import zlib

ENTRIES = 10000
LINKS = 64999    # with the first name, the most ext4 allows


def pattern(size, seed):
    """The bytes fill_pattern() of the probe makes, from offset 0."""
    words = (size + 3) // 4
    data = struct.pack("<%dI" % words,
                       *((w * 2654435761 + seed) & 0xffffffff
                         for w in range(words)))
    return data[:size]


def crc_of(path):
    crc = 0
    with open(path, "rb") as f:
        while True:
            data = f.read(1 << 20)
            if not data:
                return crc
            crc = zlib.crc32(data, crc)


def describe(path, times=False):
    """The text the probe's keep() prints for the same file."""
    st = os.lstat(path)
    target = ""
    crc = 0
    if stat.S_ISLNK(st.st_mode):
        target = " -> " + os.readlink(path)
    elif stat.S_ISREG(st.st_mode):
        crc = crc_of(path)
    size = 0 if stat.S_ISDIR(st.st_mode) else st.st_size
    text = "mode=%o uid=%d gid=%d nlink=%d size=%d crc=%08x%s" % (
        st.st_mode, st.st_uid, st.st_gid, st.st_nlink, size, crc, target)
    if times:
        text += " mtime=%d.%09d rdev=%d:%d" % (
            st.st_mtime_ns // 10**9, st.st_mtime_ns % 10**9,
            os.major(st.st_rdev), os.minor(st.st_rdev))
    return text


def names_text(folder):
    """Number and checksum of the sorted names, as the probe prints them."""
    names = sorted(os.listdir(os.fsencode(folder)))
    crc = 0
    for name in names:
        crc = zlib.crc32(name + b"\n", crc)
    return "%d names crc=%08x" % (len(names), crc)


def _write(path, data, mode=0o644):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


def prepare(share, groups=()):
    """Fill share/host; the probe reads all of it.

    That takes a moment, so only if one of the groups to run wants it."""
    host = share / "host"
    host.mkdir()
    if not groups or {"host", "emlink"} & set(groups):
        _fill(host)


def _fill(host):
    many = host / "many"
    deep = host / "a" / "b" / "c" / "d" / "e" / "f"
    many.mkdir(parents=True)
    deep.mkdir(parents=True)
    _write(host / "data", pattern((1 << 20) + 13, 7))
    _write(host / "empty", b"")
    _write(host / "private", b"for uid 1000 only\n", 0o600)
    _write(host / "set-id", b"#!/bin/none\n", 0o6755)
    _write(deep / "leaf", b"deep\n")
    _write(host / "name with spaces and \u00e9\u4e2d\U0001f600", b"u\n")
    _write(host / ("n" * 255), b"long\n")
    with open(host / "sparse", "wb") as f:
        f.truncate(5 << 30)
        f.seek((5 << 30) - 4)
        f.write(b"tail")
    os.symlink("data", host / "link")
    os.symlink("/nowhere/at all", host / "dangling")
    os.link(host / "data", host / "second-name")
    os.mkfifo(host / "fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as s:
        here = os.open(host, os.O_PATH)
        s.bind("/proc/self/fd/%d/socket" % here)
        os.close(here)
    os.mknod(host / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(host / "disk", 0o600 | stat.S_IFBLK, os.makedev(259, 300000))
    os.chown(host / "private", 1000, 1000)
    os.chown(host / "link", 12345, 4000000000, follow_symlinks=False)
    os.utime(host / "empty", ns=(981173106123456789, 1234567890987654321))
    os.utime(host / "private", ns=(1, 4102444800000000001))
    os.setxattr(host / "data", "user.host", b"seen\0here")
    _write(host / "linked", b"x")
    (host / "links").mkdir()
    with contextlib.suppress(OSError):
        for i in range(LINKS):
            os.link(host / "linked", host / "links" / str(i))
    for i in range(ENTRIES):
        os.close(os.open(many / ("entry-%05d" % i), os.O_CREAT, 0o644))


def expected(share):
    """Results of the probe's group "host", from the host's own view."""
    host = share / "host"
    out = {}
    if not (host / "many").exists():
        return out
    for base, dirs, files in os.walk(host):
        for name in dirs + files:
            path = os.path.join(base, name)
            short = os.path.relpath(path, host)
            if short.startswith(("many/", "links/")) or short == "sparse":
                continue
            out["host.see:" + short] = describe(path, True)
    out["host.many"] = names_text(host / "many")
    out["host.top"] = names_text(host)
    out["host.sparse"] = "size=%d tail='tail'" % (5 << 30)
    out["host.xattr"] = "9 seen.here"
    return out


def live(share, number):
    """What the probe's group "live" has done to its files, from outside."""
    here = share / "probe" / "live"
    if number == 1:
        os.rename(here / "a", here / "b")
        os.rename(here / "d", here / "e")
        _write(here / "c", b"from outside")
        os.unlink(here / "g" / "f")
        os.rmdir(here / "g")
        os.symlink("/etc", here / "g")
        os.rename(here / "x", here / "x.tmp")
        os.rename(here / "y", here / "x")
        os.rename(here / "x.tmp", here / "y")
        return
    os.unlink(here / "b")
    os.unlink(here / "e" / "inside")
    os.rmdir(here / "e" / "sub")
    os.rmdir(here / "e")
    with open(here / "c", "ab") as f:
        f.write(b", more")
    os.chmod(here / "x", 0o601)
    _write(here / "new", b"replaced")
    os.rename(here / "new", here / "y")
    os.truncate(here / "z", 3)


def verify_kept(share, results):
    """Compare every keep: line with the file the host finds."""
    wrong = []
    count = 0
    for name, text in results.items():
        group, _, path = name.partition(".keep:")
        if not path:
            continue
        count += 1
        file = share / "probe" / group / path
        try:
            seen = describe(file)
        except OSError as e:
            seen = errno.errorcode.get(e.errno, str(e))
        if seen != text:
            wrong.append((name, text, seen))
    return count, wrong
