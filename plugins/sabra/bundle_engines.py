"""What opens this plugin's bundles; see detplug/runtime/bundle_engine.py."""

from collections.abc import Callable

from detplug.runtime.engine import Engine


def open_boxes(source, threads: int | None = None) -> Engine:
    """The engine of a bundle that is given boxes; see boxes_engine.py."""
    from .boxes_engine import open_engine

    return open_engine(source, threads)


ENGINES: dict[str, Callable[..., Engine]] = {'boxes': open_boxes}
