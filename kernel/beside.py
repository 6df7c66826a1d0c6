# SPDX-License-Identifier: GPL-2.0-only
"""A second driver beside one that is built into the kernel.

Debian 13 builds FUSE and virtio-fs into its kernels, so that no module takes
their place. What is built here instead is one module with all of FUSE in it,
under other names: file systems fusebeside and virtiofsbeside, devices
/dev/fusebeside and /dev/cusebeside. It is for tests only, and is made from the
changed source by renaming what it registers.
"""

import re

NAME = "fusebeside"

GLUE = """// SPDX-License-Identifier: GPL-2.0-only
#include <linux/init.h>
#include <linux/module.h>

int beside_fuse_init(void);
int beside_virtio_fs_init(void);
int beside_cuse_init(void);

static int __init beside_init(void)
{
	int err = beside_fuse_init();

	if (!err)
		err = beside_virtio_fs_init();
	if (!err)
		err = beside_cuse_init();
	return err;
}

module_init(beside_init);
MODULE_LICENSE("GPL");
"""

# File, pattern, replacement: what is registered by name or number
RENAMED = [
    ("inode.c", r'(\.name\s*= )"(fuse|fuseblk)"', r'\1"\2beside"'),
    ("inode.c", r'(kobject_create_and_add\()"fuse"', r'\1"fusebeside"'),
    ("inode.c", r'(kmem_cache_create\()"fuse_inode"', r'\1"fusebeside_inode"'),
    ("control.c", r'(\.name\s*= )"fusectl"', r'\1"fusectlbeside"'),
    ("dev.c", r'(\.name\s*= )"fuse"', r'\1"fusebeside"'),
    ("dev.c", r"\.minor\s*= FUSE_MINOR", ".minor = MISC_DYNAMIC_MINOR"),
    ("cuse.c", r'(\.name\s*= )"cuse"', r'\1"cusebeside"'),
    ("cuse.c", r"\.minor\s*= CUSE_MINOR", ".minor = MISC_DYNAMIC_MINOR"),
    ("virtio_fs.c", r'(\.name\s*= )"virtiofs"', r'\1"virtiofsbeside"'),
    ("virtio_fs.c", r'(kset_create_and_add\()"virtiofs"',
     r'\1"virtiofsbeside"'),
    ("sysctl.c", r'"fs/fuse"', '"fs/fusebeside"'),
]


def rename(folder):
    """Turn a folder with the source of FUSE into that of the module."""
    for path in folder.glob("*.c"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"^EXPORT_SYMBOL\w*\(.*\);$", "", text, flags=re.M)
        text = re.sub(r"^module_init\((\w+)\);$",
                      r"int beside_\1(void);\nint __init beside_\1(void)\n"
                      r"{\n\treturn \1();\n}", text, flags=re.M)
        text = re.sub(r"^module_exit\((\w+)\);$",
                      r"void beside_\1(void);\nvoid __exit beside_\1(void)\n"
                      r"{\n\t\1();\n}", text, flags=re.M)
        for name, pattern, replacement in RENAMED:
            if path.name == name:
                text = re.sub(pattern, replacement, text)
        path.write_text(text, encoding="utf-8")
    # Initialised by hand above, the class of CUSE has a name, too
    (folder / "beside.c").write_text(GLUE, encoding="utf-8")
    path = folder / "Makefile"
    lines = [l for l in path.read_text(encoding="utf-8").splitlines()
             if not re.match(r"(obj-|virtiofs-y)", l)]
    lines += ["obj-m := %s.o" % NAME,
              "%s-y = $(fuse-y) virtio_fs.o cuse.o beside.o" % NAME]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
