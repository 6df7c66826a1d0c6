# SPDX-License-Identifier: BSD-2-Clause
"""The guests: which kernel, which QEMU, which compiler."""

import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def cache_dir():
    """Where downloads and built programs are kept, outside the tree."""
    base = os.environ.get("XDG_CACHE_HOME")
    if not base:
        base = pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "crossfuse"


class Guest:
    """One guest; the fields say how QEMU boots it."""

    def __init__(self, name, suite, deb_arch, package, triplet, qemu,
                 console, machine, **more):
        self.name = name
        self.suite = suite          # Debian release the kernel is from
        self.deb_arch = deb_arch
        self.package = package      # meta package naming the newest ABI
        self.triplet = triplet      # of the compiler
        self.qemu = qemu
        self.console = console
        self.machine = machine      # value of -M, memory backend not in it
        self.cpu = more.get("cpu")
        self.bus = more.get("bus", "pci")
        self.qemu_package = more["qemu_package"]
        self.compiler_packages = more["compiler_packages"]
        self.cpus = more.get("cpus", 1)
        self.queues = more.get("queues", 1)     # of requests, for crossfuse
        self.fallback = more.get("fallback")    # release, if suite fails
        self.modules = more.get("modules", [])  # besides MODULES
        self.timeout = more.get("timeout", 600)  # seconds, a whole run

    @property
    def compiler(self):
        return self.triplet + "-gcc"

    def qemu_command(self, memory_mib=512):
        """The part of the command line all runs of this guest share."""
        cmd = [self.qemu, "-M", self.machine + ",memory-backend=m"]
        if self.cpu:
            cmd += ["-cpu", self.cpu]
        # QEMU before 8.1 leaves out the guest's memory barriers when there
        # can be only one processor, and then a notification is lost at
        # times: the rings are shared with another process.
        smp = "%d,maxcpus=2" % self.cpus
        cmd += ["-accel", "tcg,thread=multi", "-smp", smp,
                "-m", "%dM" % memory_mib, "-object",
                "memory-backend-memfd,id=m,size=%dM,share=on" % memory_mib,
                "-nic", "none", "-display", "none", "-no-user-config"]
        return cmd


def _cross(triplet, arch):
    return ["gcc-" + triplet.replace("_", "-"), "libc6-dev-%s-cross" % arch]


PPC = ("pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,"
       "cap-ccf-assist=off")

GUESTS = {g.name: g for g in [
    Guest("x86_64", "bookworm", "amd64", "linux-image-cloud-amd64",
          "x86_64-linux-gnu", "qemu-system-x86_64", "ttyS0", "q35",
          cpu="max", qemu_package="qemu-system-x86",
          compiler_packages=["gcc", "libc6-dev"]),
    Guest("aarch64", "bookworm", "arm64", "linux-image-cloud-arm64",
          "aarch64-linux-gnu", "qemu-system-aarch64", "ttyAMA0", "virt",
          cpu="max,pauth-impdef=on", qemu_package="qemu-system-arm",
          modules=["failover", "net_failover", "virtio_net"],
          compiler_packages=_cross("aarch64-linux-gnu", "arm64")),
    Guest("aarch64-6.12", "trixie", "arm64", "linux-image-cloud-arm64",
          "aarch64-linux-gnu", "qemu-system-aarch64", "ttyAMA0", "virt",
          cpu="max,pauth-impdef=on", cpus=2, queues=3,
          qemu_package="qemu-system-arm",
          compiler_packages=_cross("aarch64-linux-gnu", "arm64")),
    Guest("armv7l", "bookworm", "armhf", "linux-image-armmp",
          "arm-linux-gnueabihf", "qemu-system-arm", "ttyAMA0",
          "virt,highmem=off", cpu="cortex-a15",
          qemu_package="qemu-system-arm",
          compiler_packages=_cross("arm-linux-gnueabihf", "armhf")),
    Guest("ppc64le", "bookworm", "ppc64el", "linux-image-powerpc64le",
          "powerpc64le-linux-gnu", "qemu-system-ppc64", "hvc0", PPC,
          cpu="power9", qemu_package="qemu-system-ppc",
          compiler_packages=_cross("powerpc64le-linux-gnu", "ppc64el")),
    Guest("mips64", "bookworm", "mips64el", "linux-image-5kc-malta",
          "mips64el-linux-gnuabi64", "qemu-system-mips64el", "ttyS0",
          "malta", cpu="MIPS64R2-generic", qemu_package="qemu-system-mips",
          compiler_packages=_cross("mips64el-linux-gnuabi64", "mips64el")),
    Guest("s390x", "bookworm", "s390x", "linux-image-s390x",
          "s390x-linux-gnu", "qemu-system-s390x", "ttysclp0",
          "s390-ccw-virtio", cpu="max", bus="ccw",
          qemu_package="qemu-system-misc",
          compiler_packages=_cross("s390x-linux-gnu", "s390x")),
    Guest("riscv64", "trixie", "riscv64", "linux-image-riscv64",
          "riscv64-linux-gnu", "qemu-system-riscv64", "ttyS0", "virt",
          fallback="sid", qemu_package="qemu-system-misc",
          compiler_packages=_cross("riscv64-linux-gnu", "riscv64")),
]}

# Modules a guest may need, in no order: the init program inserts what is
# there until nothing more goes in. What is built in is simply not found.
MODULES = [
    "virtio", "virtio_ring", "virtio_pci", "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev", "virtio_mmio", "fuse", "virtiofs",
    "virtio_blk", "crc16", "crc32c_generic", "libcrc32c", "mbcache",
    "jbd2", "ext4", "crc32c-generic", "crc32c",
]
