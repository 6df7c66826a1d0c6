# SPDX-License-Identifier: BSD-2-Clause
"""System calls made by another process, stopped in the midst of its work.

What an attacker who runs code in that process could do: its descriptors, its
root, its privileges, its filter. x86_64 only; the caller may ptrace it.
"""
import ctypes
import os
import platform
import struct
import sys

ATTACH, DETACH, SINGLESTEP, GETREGS, SETREGS = 16, 17, 9, 12, 13
WALL = 0x40000000
AT_FDCWD = -100
SYSCALL = b"\x0f\x05"
NUMBERS = {"close": 3, "socket": 41, "clone": 56, "unshare": 272,
           "openat": 257, "mknodat": 259, "unlinkat": 263, "clone3": 435,
           "prctl": 157, "getppid": 110, "mount": 165}
# struct user_regs_struct
R10, R9, R8, RAX, RDX, RSI, RDI, ORIG_RAX, RIP = 7, 8, 9, 10, 12, 13, 14, 15, 16
COUNT = 27
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def require():
    if platform.machine() != "x86_64":
        print("system calls are injected on x86_64 only")
        sys.exit(77)


def ptrace(request, tid, data=None):
    if libc.ptrace(request, tid, None, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, "ptrace: " + os.strerror(error))


class Ended(Exception):
    """The system call has ended the process; the argument is the signal."""


class Thread:
    """Thread TID, stopped as long as this is in a with statement."""

    def __init__(self, tid):
        self.tid = tid

    def __enter__(self):
        ptrace(ATTACH, self.tid)
        self.wait()
        self.saved = self.registers()
        self.memory = open(f"/proc/{self.tid}/mem", "r+b", buffering=0)
        # It sleeps in a call, or may be anywhere.
        self.gate = self.saved[RIP] - 2
        if self.read(self.gate, 2) != SYSCALL:
            self.gate = self.find_gate()
        return self

    def __exit__(self, kind, *_):
        self.memory.close()
        if kind is not Ended:
            self.set_registers(self.saved)
            ptrace(DETACH, self.tid)

    def wait(self):
        _, status = os.waitpid(self.tid, WALL)
        if not os.WIFSTOPPED(status):
            raise Ended(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)

    def registers(self):
        values = (ctypes.c_ulonglong * COUNT)()
        ptrace(GETREGS, self.tid, ctypes.byref(values))
        return list(values)

    def set_registers(self, values):
        ptrace(SETREGS, self.tid,
               ctypes.byref((ctypes.c_ulonglong * COUNT)(*values)))

    def read(self, address, length):
        return os.pread(self.memory.fileno(), length, address)

    def find_gate(self):
        with open(f"/proc/{self.tid}/maps") as maps:
            for line in maps:
                if "r-xp" in line and "libc" in line:
                    start, end = (int(n, 16) for n in
                                  line.split()[0].split("-"))
                    return start + self.read(start,
                                             end - start).index(SYSCALL)
        raise RuntimeError("no system call in the process")

    def call(self, name, *arguments):
        """The result; an argument of bytes is a pointer to them."""
        registers = list(self.saved)
        # Far below the stack, where no function keeps anything.
        at = (self.saved[19] - 0x4000) & ~15
        values = []
        for argument in arguments:
            if isinstance(argument, bytes):
                at -= (len(argument) + 16) & ~15
                os.pwrite(self.memory.fileno(), argument + b"\0", at)
                argument = at
            values.append(argument & (1 << 64) - 1)
        for register, value in zip((RDI, RSI, RDX, R10, R8, R9), values):
            registers[register] = value
        registers[RAX] = NUMBERS[name]
        registers[ORIG_RAX] = (1 << 64) - 1
        registers[RIP] = self.gate
        self.set_registers(registers)
        ptrace(SINGLESTEP, self.tid)
        self.wait()
        return struct.unpack("q", struct.pack("Q", self.registers()[RAX]))[0]


def threads(pid):
    return sorted(int(tid) for tid in os.listdir(f"/proc/{pid}/task"))


def descriptors(pid):
    """What /proc says of each descriptor."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass
    return found


def server_of(pid):
    """The process that serves: PID, or the child that it waits for."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        words = children.read().split()
    return server_of(int(words[0])) if words else pid
