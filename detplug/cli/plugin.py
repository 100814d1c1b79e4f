"""Import a plugin that the command line names."""

from detplug import entry_points
from detplug.quiet import quiet_imports


def load_plugin(name: str) -> None:
    """As :func:`detplug.entry_points.load_plugin`, without the lines that mmdet's imports print."""
    with quiet_imports():
        entry_points.load_plugin(name)
