"""Registers what the host finds by name: the export format ``bioimageio``."""

import plugins.microscopy.bioimageio.export  # noqa: F401
