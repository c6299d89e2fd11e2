"""What happens to memory that is no longer used."""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
LARGEST_BLOCK, LARGEST_REST = 32 * 2**20, 2**30  # the first is as far as glibc lets it be raised


def keep_freed_memory() -> None:
    """Has glibc keep up to 1 GB of freed memory for the next tensors, instead of handing it back each time.

    A step frees and takes the same few megabytes thousands of times. By default they may go back to the system and
    come again page by page, more or less by chance: 3.9 s in place of 1.4 were seen for 10,000 sentences. Does
    nothing with other C libraries, or where the user has set these thresholds by glibc's own variables.
    """
    tuned = "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "")
    if tuned or any(f"MALLOC_{name}_" in os.environ for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD", "TOP_PAD")):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, LARGEST_REST)
