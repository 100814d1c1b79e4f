"""detplug: a plugin-based detection toolbox on MMDetection 3.x."""

__version__ = '0.1.0'
