"""How many cores this process may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Number of cores, at least 1; fewer than the machine has where a scheduler or container limits them."""
    if hasattr(os, "sched_getaffinity"):  # Linux; elsewhere nothing says which cores are ours.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
