"""Python's collector of reference cycles, paused while millions of objects without cycles are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """No search for cycles while the block runs: it goes through all objects again and again as their number grows.

    With the annotations of COCO's train2017 it is a third of the time. Objects without cycles are freed as always.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
