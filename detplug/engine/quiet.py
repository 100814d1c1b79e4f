"""The names of :mod:`detplug.quiet`, which needs no torch, where the training engine has them."""

from detplug.quiet import KNOWN_LOG_LINES, quiet_imports

__all__ = ['KNOWN_LOG_LINES', 'quiet_imports']
