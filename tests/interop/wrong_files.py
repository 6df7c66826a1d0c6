# SPDX-License-Identifier: BSD-2-Clause
"""A FUSE server of x86-64 that keeps its files in memory.

It gives every flag that it is asked about an effect, so that a client sees
which one has arrived. What it does wrong on purpose is in FAULT.
"""
import struct

ROOT = 1
EPERM, ENOENT, EIO, EBADF, EEXIST, ENOTDIR, EISDIR = 1, 2, 5, 9, 17, 20, 21
EINVAL, ENOTTY, EFBIG, ENAMETOOLONG, ENOSYS, ENOTEMPTY = 22, 25, 27, 36, 38, 39
ELOOP, ENODATA, EBADMSG, EOPNOTSUPP = 40, 61, 74, 95

O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC, O_APPEND = 3, 0x40, 0x80, 0x200, 0x400
O_DIRECT, O_DIRECTORY, O_NOFOLLOW, O_SYNC = 0x4000, 0x10000, 0x20000, 0x101000

S_IFMT, S_IFDIR, S_IFREG, S_IFLNK = 0o170000, 0o040000, 0o100000, 0o120000
EXT, MAX_PAGES, READDIRPLUS = 1 << 30, 1 << 22, 1 << 13
# What it can: locks, O_TRUNC in OPEN, records with attributes, groups, ...
FLAGS = (1 | 1 << 1 | 1 << 3 | READDIRPLUS | MAX_PAGES | EXT | 1 << 34)
POLL_READY = 0x2147

GETFLAGS, SETFLAGS = 0x80086601, 0x40086602
GETFLAGS_4, SETFLAGS_4, FSGETXATTR = 0x80046601, 0x40046602, 0x801C581F


class Error(Exception):
    """The argument is an errno."""


class Node:
    def __init__(self, mode):
        self.mode, self.data, self.entries = mode, bytearray(), {}
        self.xattrs, self.locks, self.flags = {}, {}, 0
        self.atime = self.mtime = 0

    def is_kind(self, kind):
        return self.mode & S_IFMT == kind


class Take:
    """The parts of a request, in turn."""

    def __init__(self, data):
        self.data = data

    def struct(self, form):
        size = struct.calcsize("<" + form)
        if len(self.data) < size:
            raise Error(EBADMSG)
        values = struct.unpack("<" + form, self.data[:size])
        self.data = self.data[size:]
        return values

    def name(self):
        end = self.data.find(b"\0")
        if end < 0:
            raise Error(EBADMSG)
        name, self.data = self.data[:end], self.data[end + 1:]
        return name

    def end(self):
        if self.data:
            raise Error(EBADMSG)


class Files:
    """FAULT is a rule, or None. FOREIGN: the client is of another kind."""

    def __init__(self, fault):
        self.fault = fault
        self.nodes, self.next = {ROOT: Node(S_IFDIR | 0o755)}, 2
        self.handles, self.next_fh = {}, 1
        self.foreign = self.known = False

    def wrong(self, rule):
        return self.fault == rule and self.foreign

    def answer(self, data):
        """The reply's error and what is behind its header; None: no reply."""
        length, opcode, self.unique, node, *_ = struct.unpack(
            "<IIQQIIIHH", data[:40])
        self.extlen = struct.unpack("<H", data[36:38])[0] * 8
        work = WORK.get(opcode)
        if opcode in SILENT:
            return None
        try:
            if length != len(data) and self.fault != "4/length":
                raise Error(EBADMSG)
            if not work:
                raise Error(EIO if self.wrong("5.2/enosys") else ENOSYS)
            if node not in self.nodes and opcode not in (26, 38):
                raise Error(ENOENT)
            self.id = node
            return 0, work(self, self.nodes.get(node), Take(data[40:]))
        except Error as error:
            return error.args[0], b""

    # Nodes.

    def add(self, parent, name, mode):
        if not parent.is_kind(S_IFDIR):
            raise Error(ENOTDIR)
        if len(name) > 255:
            raise Error(ENAMETOOLONG)
        if name in parent.entries:
            raise Error(EEXIST)
        node, self.next = self.next, self.next + 1
        self.nodes[node] = Node(mode)
        parent.entries[name] = node
        return node

    def attr(self, id):
        node = self.nodes[id]
        mode, mtime = node.mode, node.mtime
        if self.wrong("5.7/mode"):
            mode &= ~0o40
        if self.wrong("7.3"):
            mtime >>= 32
        return struct.pack("<6Q10I", id, len(node.data), 0, node.atime, mtime,
                           0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def entry(self, id):
        return struct.pack("<4Q2I", id, 0, 0, 0, 0, 0) + self.attr(id)

    def lookup(self, node, take):
        if b"\0" not in take.data and self.fault == "4/name":
            return self.entry(ROOT)
        name = take.name()
        if len(name) > 255:
            bad = (self.wrong("5.2/enametoolong") and self.id != ROOT
                   and self.known)
            raise Error(EINVAL if bad else ENAMETOOLONG)
        if name not in node.entries:
            raise Error(ENOENT)
        return self.entry(node.entries[name])

    def getattr(self, _, take):
        take.struct("QQ")
        if self.fault != "4/long":
            take.end()
        return struct.pack("<QII", 0, 0, 0) + self.attr(self.id)

    def setattr(self, node, take):
        valid, _, _, size, _, atime, mtime, *rest = take.struct("IIQQQQQQ8I")
        mode = rest[4]
        if valid & 8:
            node.data = bytearray(node.data[:size].ljust(size, b"\0"))
        if valid & 16:
            node.atime = atime
        if valid & 32:
            node.mtime = mtime
        if valid & 1:
            node.mode = node.mode & S_IFMT | mode & 0o7777
        return struct.pack("<QII", 0, 0, 0) + self.attr(self.id)

    def readlink(self, node, _):
        return bytes(node.data[::-1 if self.fault == "2.5/names" else 1])

    def symlink(self, node, take):
        name, target = take.name(), take.name()
        link = self.add(node, name, S_IFLNK | 0o777)
        self.nodes[link].data[:] = target
        return self.entry(link)

    def check_extensions(self, take):
        if self.extlen != len(take.data):
            raise Error(EBADMSG)
        if not take.data:
            return
        size, kind, count = Take(take.data).struct("III")
        bad = size > len(take.data) or kind != 32 or 12 + 4 * count > size
        if bad and self.fault != "4/extension":
            raise Error(EBADMSG)
        if self.fault == "7.4" and not bad:
            raise Error(EINVAL)

    def mkdir(self, node, take):
        mode, _ = take.struct("II")
        name = take.name()
        self.check_extensions(take)
        return self.entry(self.add(node, name, S_IFDIR | mode & 0o7777))

    def remove(self, node, take, kind):
        name = take.name()
        if name not in node.entries:
            raise Error(ENOENT)
        victim = self.nodes[node.entries[name]]
        if victim.is_kind(S_IFDIR) != kind:
            raise Error(ENOTDIR if kind else EISDIR)
        if victim.entries:
            raise Error(EINVAL if self.wrong("5.2/enotempty") else ENOTEMPTY)
        del node.entries[name]
        return b""

    def unlink(self, node, take):
        return self.remove(node, take, False)

    def rmdir(self, node, take):
        return self.remove(node, take, True)

    def rename2(self, node, take):
        new_id, flags, _ = take.struct("QII")
        old, new = take.name(), take.name()
        if old not in node.entries:
            raise Error(ENOENT)
        target = self.nodes[new_id]
        if flags & 1 and new in target.entries and self.fault != "5.7/rename":
            raise Error(EEXIST)
        target.entries[new] = node.entries.pop(old)
        return b""

    def mknod(self, node, take):
        mode, *_ = take.struct("IIII")
        name = take.name()
        self.check_extensions(take)
        return self.entry(self.add(node, name, mode))

    def link(self, node, take):
        id, = take.struct("Q")
        node.entries[take.name()] = id
        return self.entry(id)

    def access(self, _, take):
        take.struct("II")
        take.end()
        return b""

    def fallocate(self, _, take):
        fh, offset, length, _, _ = take.struct("QQQII")
        node, _ = self.of_handle(fh)
        if self.wrong("7.2/opcodes"):
            offset = 0
        node.data = node.data.ljust(offset + length, b"\0")
        return b""

    # Open files.

    def handle(self, id, flags):
        fh, self.next_fh = self.next_fh, self.next_fh + 1
        self.handles[fh] = id, flags
        return struct.pack("<QII", fh, 0, 0)

    def of_handle(self, fh):
        if fh not in self.handles:
            raise Error(EBADF)
        id, flags = self.handles[fh]
        return self.nodes[id], flags

    def open(self, node, take):
        flags, _ = take.struct("II")
        if node.is_kind(S_IFLNK):
            raise Error(EINVAL if self.wrong("5.2/eloop") else ELOOP)
        for rule, bit in (("append", O_APPEND), ("direct", O_DIRECT),
                          ("directory", O_DIRECTORY)):
            if self.wrong("5.1/" + rule) and self.known:
                flags &= ~bit
        if flags & O_DIRECTORY:
            raise Error(ENOTDIR)
        if flags & O_NOFOLLOW and self.wrong("5.1/nofollow"):
            raise Error(ELOOP)
        if flags & O_SYNC == O_SYNC and self.wrong("5.1/others"):
            raise Error(EINVAL)
        if flags & O_TRUNC and self.fault != "5.1/trunc":
            node.data.clear()
        return self.handle(self.id, flags)

    def opendir(self, node, take):
        if len(take.data) < 8 and self.fault == "4/short":
            return self.handle(self.id, 0)
        take.struct("II")
        if not node.is_kind(S_IFDIR):
            raise Error(ENOTDIR)
        return self.handle(self.id, 0)

    def create(self, node, take):
        flags, mode, _, _ = take.struct("IIII")
        name = take.name()
        if name in node.entries:
            if flags & O_EXCL and not (self.fault == "5.1/excl" and
                                       self.known):
                raise Error(EEXIST)
            id = node.entries[name]
            if flags & O_TRUNC or self.fault == "5.1/creat":
                self.nodes[id].data.clear()
        else:
            id = self.add(node, name, S_IFREG | mode & 0o7777)
        return self.entry(id) + self.handle(id, flags)

    def release(self, _, take):
        fh, *_ = take.struct("QIIQ")
        self.of_handle(fh)
        del self.handles[fh]
        return b""

    def read(self, _, take):
        fh, offset, size, *_ = take.struct("QQIIQII")
        node, _ = self.of_handle(fh)
        data = bytes(node.data[offset:offset + size])
        return data[::-1] if self.fault == "2.5/data" else data

    def write(self, _, take):
        fh, offset, size, _, _, of_write, _ = take.struct("QQIIQII")
        node, flags = self.of_handle(fh)
        if size != len(take.data) and self.fault != "4/count":
            raise Error(EBADMSG)
        if not flags & O_ACCMODE and self.fault != "5.1/accmode":
            raise Error(EBADF)
        if flags & O_DIRECT and size % 512:
            raise Error(EINVAL)
        if self.wrong("5.1/write"):
            of_write &= ~O_APPEND
        if (flags | of_write) & O_APPEND:
            offset = len(node.data)
        if offset > 1 << 20:
            raise Error(EFBIG)
        node.data[offset:offset + size] = take.data
        return struct.pack("<II", size, 0)

    def lseek(self, _, take):
        fh, offset, whence, _ = take.struct("QQII")
        node, _ = self.of_handle(fh)
        if whence != 4 or self.wrong("5.7/seek"):
            return struct.pack("<Q", offset)
        return struct.pack("<Q", len(node.data))

    def statfs(self, _, __):
        return bytes(72 if self.fault == "7.2/size" else 80)

    # Directories.

    def dirents(self, take, plus):
        fh, offset, size, *_ = take.struct("QQIIQII")
        node, _ = self.of_handle(fh)
        rows = [(name, id) for name, id in node.entries.items()]
        rule = "7.5/plus" if plus else "7.5/readdir"
        if self.fault == rule and rows and rows[0][0].startswith(b"e"):
            rows.append(rows[0])
        out = b""
        for at, (name, id) in enumerate(rows[offset:], offset + 1):
            kind = self.nodes[id].mode >> 12
            record = struct.pack("<QQII", id, at, len(name), kind) + name
            record += bytes(-len(record) % 8)
            record = (self.entry(id) if plus else b"") + record
            if len(out) + len(record) > size:
                break
            out += record
        return out

    def readdir(self, _, take):
        return self.dirents(take, False)

    def readdirplus(self, _, take):
        return self.dirents(take, True)

    # Attributes, locks, and the rest.

    def setxattr(self, node, take):
        size, flags = take.struct("II")
        name = take.name()
        if size != len(take.data):
            raise Error(EBADMSG)
        if not name.startswith(b"user."):
            raise Error(EINVAL if self.wrong("5.2/eopnotsupp")
                        else EOPNOTSUPP)
        if self.fault == "5.7/xattr":
            flags = 0
        if flags & 1 and name in node.xattrs:
            raise Error(EEXIST)
        if flags & 2 and name not in node.xattrs:
            raise Error(ENODATA)
        node.xattrs[name] = take.data
        return b""

    def getxattr(self, node, take):
        size, _ = take.struct("II")
        name = take.name()
        if name not in node.xattrs:
            raise Error(EINVAL if self.wrong("5.2/enodata") else ENODATA)
        value = node.xattrs[name]
        if not size:
            return struct.pack("<II", len(value), 0)
        return value[::-1] if self.fault == "2.5/xattr" else value

    def getlk(self, node, take):
        _, owner, start, end, kind, pid, _, _ = take.struct("QQQQIIII")
        for other, held in node.locks.items():
            if other != owner and 1 in (held, kind):
                if self.wrong("5.3/held"):
                    held = 1 - held
                return struct.pack("<QQII", start, end, held, 1)
        kind = 0 if self.wrong("5.3/free") else 2
        return struct.pack("<QQII", start, end, kind, pid)

    def setlk(self, node, take):
        _, owner, _, _, kind, _, _, _ = take.struct("QQQQIIII")
        if kind > 2:
            raise Error(EINVAL)
        node.locks.pop(owner, None)
        if kind != 2:
            node.locks[owner] = kind
        return b""

    def poll(self, _, take):
        *_, events = take.struct("QQII")
        ready = 0x1 if self.wrong("5.4") else POLL_READY
        return struct.pack("<II", ready & events, 0)

    def ioctl(self, node, take):
        _, flags, cmd, _, in_size, out_size = take.struct("QIIQII")
        if in_size != len(take.data):
            raise Error(EBADMSG)
        out = b""
        if cmd in (SETFLAGS, SETFLAGS_4) and in_size == 4:
            if self.wrong("5.5/getflags"):
                raise Error(ENOTTY)
            node.flags = take.struct("I")[0]
        elif cmd in (GETFLAGS, GETFLAGS_4) and out_size >= 4:
            out = struct.pack("<I", node.flags)
        elif cmd == FSGETXATTR and out_size == 28:
            out = struct.pack("<5I8x", node.flags << 1, 0, 0, 0, 0)
        else:
            raise Error(EINVAL if self.wrong("5.5/unknown") else ENOTTY)
        return struct.pack("<iIII", 0, 0, 0, 0) + out

    def init(self, _, take):
        major, minor, readahead, flags = take.struct("IIII")
        if flags & EXT and len(take.data) >= 4:
            flags |= take.struct("I")[0] << 32
        if major < 7 and self.fault != "3.3.8/0":
            raise Error(71)
        self.handles.clear()
        flags &= FLAGS
        return struct.pack("<IIIIHHIIHHI28x", 7, min(minor, 47), readahead,
                           flags & 0xFFFFFFFF, 0, 0, 1 << 20, 1, 256, 0,
                           flags >> 32)

    def destroy(self, _, __):
        return b""


SILENT = (2, 36, 41, 42)
WORK = {
    1: Files.lookup, 3: Files.getattr, 4: Files.setattr, 5: Files.readlink,
    6: Files.symlink, 8: Files.mknod, 9: Files.mkdir, 10: Files.unlink,
    11: Files.rmdir, 13: Files.link, 34: Files.access, 43: Files.fallocate,
    14: Files.open, 15: Files.read, 16: Files.write, 17: Files.statfs,
    18: Files.release, 21: Files.setxattr, 22: Files.getxattr, 26: Files.init,
    27: Files.opendir, 28: Files.readdir, 29: Files.release, 31: Files.getlk,
    32: Files.setlk, 35: Files.create, 38: Files.destroy, 39: Files.ioctl,
    40: Files.poll, 44: Files.readdirplus, 45: Files.rename2,
    46: Files.lseek,
}
