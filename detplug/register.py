"""Importing this module registers every part of the host in mmdet's registries.

Raises UserError where a folder of the user's own hides the package ``plugins``, which a config would import next.
"""

from detplug.engine.quiet import quiet_imports
from detplug.shadowed import check_plugins

with quiet_imports():
    import detplug.engine
    import detplug.evaluation
    import detplug.report.hook  # noqa: F401
    from detplug.data import load_all

    load_all()

check_plugins()
