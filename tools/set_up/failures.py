"""From the output of pip or a compiler to one line with the cure, for the reasons that are met in practice."""

import re
from collections.abc import Sequence

AGAIN = 'then call the same command again: it continues'

# Tried in this order: a full disk or a dead network also ends in "no matching distribution".
REASONS = (
    (
        r'No space left on device',
        'the disk is full ({found}); free some space, or let TMPDIR and XDG_CACHE_HOME name a larger disk, ',
    ),
    (
        r'Temporary failure in name resolution|Name or service not known|nodename nor servname|Network is unreachable'
        r'|NewConnectionError|Connection refused|ConnectTimeoutError|ReadTimeoutError|Read timed out|ProxyError'
        r'|Connection aborted|Connection reset|Max retries exceeded|CERTIFICATE_VERIFY_FAILED|SSLError'
        r'|50[0-9] Server Error',
        'no network: pip does not reach its package index ({found}); connect, or set PIP_PROXY or PIP_INDEX_URL, ',
    ),
    (
        r'No matching distribution found for \S+',
        '{found} in the package index of pip; look at `python3 -m pip config list`, ',
    ),
    (
        r'fatal error: Killed signal|Killed \(program cc1plus\)|cannot allocate memory|virtual memory exhausted',
        'memory ran out ({found}); close other programs, or with OPS=compiled set MAX_JOBS=1, ',
    ),
    (
        r'Python\.h: No such file',
        'the headers of Python are missing; install them (Debian, Ubuntu: apt install python3-dev), ',
    ),
    (
        r'Permission denied[^\n]*',
        'no right to write ({found}); give yourself the right or move the project to a folder of yours, ',
    ),
)


def explain(lines: Sequence[str]) -> str | None:
    """The cure in one line for a command that failed with the output ``lines``; None for an unknown reason."""
    text = ''.join(lines)
    for pattern, cure in REASONS:
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            return cure.format(found=found[0].strip()) + AGAIN
    return None
