# SPDX-License-Identifier: BSD-2-Clause
"""Child processes that must not outlive this one."""

import os
import signal
import subprocess

_running = set()


def start(cmd, **options):
    """As subprocess.Popen, and remembered."""
    process = subprocess.Popen(cmd, **options)
    _running.add(process)
    return process


def forget(process):
    _running.discard(process)


def _end(number, _frame):
    for process in list(_running):
        if process.poll() is None:
            process.kill()
    os._exit(128 + number)


def end_with_us():
    """Being told to stop, stop the children first."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
