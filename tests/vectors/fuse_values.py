# SPDX-License-Identifier: BSD-2-Clause
"""Single values from one architecture's form to another's: section 5."""

ALWAYS = 0x3 | 0x20 | 0x4000000  # open flags that are the same everywhere
EIO = 5


class NoCounterpart(Exception):
    pass


def open_flags(spec, a, b, flags):
    a, b = a.group["open"], b.group["open"]
    if a == b:
        return flags
    mine, theirs = spec.open[a], spec.open[b]
    out = flags & ALWAYS
    for name, bit in mine.items():
        if not flags & bit:
            continue
        if name == "__O_SYNC" and not flags & mine["O_DSYNC"]:
            continue
        if name == "__O_TMPFILE" and not flags & mine["O_DIRECTORY"]:
            continue
        out |= theirs[name]
    for bit, name in spec.open_input[a].items():
        if flags & bit:
            out |= theirs[name]
    return out


def errno(spec, a, b, error):
    """A positive number, or 0."""
    a, b = a.group["errno"], b.group["errno"]
    if a == b or not error:
        return error
    for (_, mine), (_, theirs) in zip(spec.errno[a], spec.errno[b]):
        if mine == error:
            return EIO if theirs is None else theirs
    if error >= 512 and all(n != error for _, n in spec.errno[b]):
        return error
    return EIO


def lock(spec, a, b, kind):
    for (_, mine), (_, theirs) in zip(spec.lock[a.group["lock"]],
                                      spec.lock[b.group["lock"]]):
        if mine == kind:
            return theirs
    raise NoCounterpart


def poll(spec, a, b, events):
    a, b = a.group["poll"], b.group["poll"]
    if a == b:
        return events
    out = 0
    for (_, mine), (_, theirs) in zip(spec.poll[a], spec.poll[b]):
        if events & mine:
            out |= theirs
    return out


def take_apart(encoding, cmd):
    """none, write, read, size."""
    if not encoding.three:
        direction = cmd >> 30
        both = encoding.write | encoding.read
        assert both == 3
        return (direction == encoding.none, bool(direction & encoding.write),
                bool(direction & encoding.read), cmd >> 16 & 0x3FFF)
    direction = cmd >> 29
    write = bool(direction & encoding.write)
    read = bool(direction & encoding.read)
    none = bool(direction & encoding.none)
    if encoding.wide and (write or read):
        return False, write, read, cmd >> 16 & 0x3FFF
    if none and (write or read):
        raise NoCounterpart
    return none, write, read, cmd >> 16 & 0x1FFF


def put_together(encoding, none, write, read, size):
    data = write or read
    limit = 0x3FFF
    if encoding.three and not (encoding.wide and data):
        limit = 0x1FFF
    if size > limit or (size and not none and not data):
        raise NoCounterpart
    direction = ((encoding.none if none else 0)
                 | (encoding.write if write else 0)
                 | (encoding.read if read else 0))
    return direction << (29 if encoding.three else 30) | size << 16


def ioctl(spec, a, b, cmd):
    a, b = a.group["ioctl"], b.group["ioctl"]
    if a == b:
        return cmd
    for (_, mine), (_, theirs) in zip(spec.named[a], spec.named[b]):
        if mine == cmd:
            if theirs is None:
                raise NoCounterpart
            return theirs
    out = cmd
    if cmd not in spec.plain:
        out = put_together(spec.encoding[b],
                           *take_apart(spec.encoding[a], cmd))
        out |= cmd & 0xFFFF
    if any(number == out for _, number in spec.named[b]):
        raise NoCounterpart
    return out


def differ(a, b):
    return a.group != b.group
