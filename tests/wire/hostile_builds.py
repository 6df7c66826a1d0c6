# SPDX-License-Identifier: BSD-2-Clause
"""The hostile load on a crossfuse with AddressSanitizer, on one with
ThreadSanitizer, and on one as it is, with its filter; side by side."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def build(kind):
    """The program. Ends the test where there is none."""
    result = subprocess.run(
        [HERE + "/../sanitizer-build", kind, "src/crossfuse"],
        stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        print(result.stdout)
        sys.exit(result.returncode)
    return result.stdout.strip() + "/src/crossfuse"


def load(seconds, seed):
    """Ends the test with 1 if one of them finds something."""
    programs = [build(kind) for kind in ("address", "thread")]
    programs.append(os.environ.get("CROSSFUSE", "build/src/crossfuse"))
    running = [subprocess.Popen(
        ["nice", sys.executable, HERE + "/hostile_load.py", program,
         str(seconds), str(seed)], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.STDOUT) for program in programs]
    failed = False
    for program, process in zip(programs, running):
        output = process.communicate()[0]
        failed |= process.returncode != 0
        print(f"{program}: status {process.returncode}, {seconds} s, "
              f"seed {seed}\n{output}", flush=True)
    sys.exit(failed)
