"""Keep the console clean while mmdet and its dependencies are imported, without hiding real warnings.

This module imports nothing heavy, so that it can be used before anything else is imported.
"""

import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator

KNOWN_PRINTS = re.compile(r'Could not import OneDL')
KNOWN_WARNINGS = re.compile(
    r'torch\.jit\.\w+. is deprecated'
    r'|MultiScaleDeformableAttention.* has been moved'
    r'|pkg_resources is deprecated'
    r'|invalid escape sequence'
    r'|A new version of Albumentations is available'
    r'|Error fetching version info'
    r'|builtin type (SwigPy\w+|swigvarlink) has no __module__'
    r'|force set to `fork`|will be force set to'
    r'|fast_hadamard_transform package not found'
)
# mmengine warns of every parameter that a config freezes, or that is there under two names; the log file has them
KNOWN_LOG_LINES = re.compile(r'skipped since (its requires_grad=False|bypass_duplicate=True)')


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Drop the known harmless lines that imports print or warn; everything else is shown when the block ends.

    What was printed before an exception is shown as well, because it may explain the exception.
    """
    os.environ.setdefault('NO_ALBUMENTATIONS_UPDATE', '1')  # its import would ask the network for a newer version
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as caught:
        try:
            with contextlib.redirect_stdout(printed):
                yield
        finally:
            unknown = [line for line in printed.getvalue().splitlines(keepends=True) if not KNOWN_PRINTS.search(line)]
            sys.stdout.write(''.join(unknown))
    for warning in caught:
        if not KNOWN_WARNINGS.search(str(warning.message)):
            warnings.showwarning(
                warning.message, warning.category, warning.filename, warning.lineno, warning.file, warning.line
            )
