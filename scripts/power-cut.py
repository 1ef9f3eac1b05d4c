"""Cuts the power of a mounted file system (ext4, xfs): what it has not yet written is lost, every later call fails.

    power-cut.py MOUNT      then a line on standard input for the cut: `SEED SHARE`

Before the cut a share of the changed pages (0 to 1) is written out in no order, as the kernel may do at any time
without being asked: so that later bytes of a file may survive and earlier ones not. Answers with the number of files
of which something was written. Root only.
"""
import ctypes
import fcntl
import os
import random
import struct
import sys

SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN
NO_LOG_FLUSH = 2
PAGE = 4096
WAIT_WRITE_WAIT = 7  # of sync_file_range


def write_out_some(mount, share, draw, libc):
    """Data first, without the metadata; then, of half of the cuts, the journal with all metadata up to now."""
    touched = 0
    for folder, _, names in os.walk(mount):
        for name in sorted(names):
            if draw.random() >= share:
                continue
            try:
                fd = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW)
            except OSError:
                continue
            try:
                for page in range(0, os.fstat(fd).st_size, PAGE):
                    if draw.random() < share:
                        libc.sync_file_range(fd, page, PAGE, WAIT_WRITE_WAIT)
                touched += 1
            finally:
                os.close(fd)
    if touched and draw.random() < 0.5:
        scratch = os.open(os.path.join(mount, ".cut"), os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(scratch, b"x")
        os.fsync(scratch)
        os.close(scratch)
    return touched


def main(mount):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    root = os.open(mount, os.O_RDONLY)
    print("ready", flush=True)
    seed, share = sys.stdin.readline().split()
    touched = 0
    if float(share) > 0:
        touched = write_out_some(mount, float(share), random.Random(int(seed)), libc)
    fcntl.ioctl(root, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    os.close(root)
    print(touched, flush=True)


main(sys.argv[1])
