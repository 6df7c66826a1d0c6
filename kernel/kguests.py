# SPDX-License-Identifier: GPL-2.0-only
"""The guests that the change is proved on: those of tests/guests, and the same
with newer kernels of Debian."""

import copy

from kmodules import COMMON

GUESTS = dict(COMMON)


def _add(base, suffix, suite):
    guest = copy.copy(COMMON[base])
    guest.name = "%s-%s" % (base, suffix)
    guest.suite = suite
    guest.fallback = None
    GUESTS[guest.name] = guest


for _base in ("x86_64", "armv7l", "ppc64le", "mips64", "s390x"):
    _add(_base, "6.12", "bookworm-backports")
_add("aarch64", "7.2", "sid")

# Relocated, this kernel does not find its table of exceptions: a bad address of
# a program's is an oops, with and without FUSE
GUESTS["mips64-6.12"].console += " nokaslr"

# QEMU 7.2's CMPXCHG16B leaves rubbish in the flags, with which the kernel then
# runs on: a double fault sooner or later, with and without FUSE
GUESTS["x86_64-6.12"].cpu += ",cx16=off"

# Debian 12 has no kernel for it, and no assembler for a newer one
GUESTS["riscv64"] = copy.copy(COMMON["riscv64"])
GUESTS["riscv64"].toolchain = "sid"

# Those that a test takes when it is told to take all
PROVED = ["aarch64", "armv7l", "ppc64le", "mips64", "s390x", "x86_64",
          "aarch64-6.12", "armv7l-6.12", "ppc64le-6.12", "mips64-6.12",
          "s390x-6.12", "x86_64-6.12", "aarch64-7.2", "riscv64"]
