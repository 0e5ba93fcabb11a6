"""A file system of its own in a file, whose power can fail.

A cut is what the kernel's own trials of file systems do, `FS_IOC_SHUTDOWN` without a flush
of the log: from one moment on nothing reaches the disk, and what was in memory alone is
gone when the volume is mounted again. It is a real ext4, but no real disk: a disk may
have a cache of its own, and lose that too.

What is acknowledged once a cut has begun says nothing: of an ext4 that is being shut down,
an fdatasync may end well over bytes that are never written. A machine without power says
nothing either.
"""

import fcntl
import os
import struct
import subprocess
import time

from cache import CannotBeHad

BYTES = 2 << 30
# `_IOR('X', 125, u32)`, and not even the file system's log is written out.
SHUTDOWN, WITHOUT_LOG = 0x8004_587D, 2
# Someone who holds a file of it lets go soon.
TRIES_MAX, BETWEEN_TRIES_S = 200, 0.05


class Volume:
    def __init__(self, folder):
        self.image, self.path = folder / "volume.ext4", folder / "volume"

    def __enter__(self):
        with open(self.image, "wb") as image:
            image.truncate(BYTES)
        self.path.mkdir()
        done("mkfs.ext4", "-q", self.image)
        self._mount()
        return self

    def __exit__(self, *_):
        self._unmount()

    def synced(self):
        """What is there now, a cut does not take."""
        done("sync", "-f", self.path)

    def cut(self):
        root = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(root, SHUTDOWN, struct.pack("I", WITHOUT_LOG))
        finally:
            os.close(root)

    def power_on(self):
        """What did reach the disk is there again. Nobody may hold a file of it."""
        self._unmount()
        self._mount()

    def _mount(self):
        try:
            done("mount", "-o", "loop", self.image, self.path)
        except RuntimeError as error:
            raise CannotBeHad(f"a power cut takes the right to mount, and loop devices: {error}") from error

    def _unmount(self):
        for tries in range(1, TRIES_MAX + 1):
            try:
                return done("umount", self.path)
            except RuntimeError:
                if tries == TRIES_MAX or not os.path.ismount(self.path):
                    raise
                time.sleep(BETWEEN_TRIES_S)


def done(*command):
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {ended.stderr.strip()}")
