"""What may go wrong while a generator is evaluated without taking the run with it."""

from __future__ import annotations

import tensorflow as tf

from mrisynth.errors import UserError

FAULTS = (UserError, MemoryError, OSError, tf.errors.ResourceExhaustedError)


def reason(fault: BaseException) -> str:
    """One of `FAULTS` as part of a sentence, on one line."""
    if isinstance(fault, MemoryError):
        return "it does not fit the memory"
    if isinstance(fault, tf.errors.ResourceExhaustedError):
        return "it does not fit the device's memory"
    return " ".join(str(fault).split())
