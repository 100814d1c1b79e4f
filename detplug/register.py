"""Importing this module registers every part of the host in mmdet's registries."""

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import detplug.data
    import detplug.engine
    import detplug.evaluation
    import detplug.report.hook  # noqa: F401
