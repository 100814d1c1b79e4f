"""What the machine says no to, in one line: memory, space, rights, an operator that only a compiled mmcv has.

Imports nothing heavy.
"""

import errno

OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CURES = dict.fromkeys(OUT_OF_SPACE, 'free some space, or write to another disk') | {
    errno.EACCES: 'change its permissions, or give another path',
    errno.EPERM: 'change its permissions, or give another path',
    errno.EROFS: 'give a path on another disk',
    errno.ENOTDIR: 'a part of this path is a file; give another path',
    errno.EEXIST: 'it is a file; give another path',
    errno.EISDIR: 'it is a folder; give the path of a file',
    errno.ENAMETOOLONG: 'give a shorter path',
}
ALLOCATOR = "DefaultCPUAllocator: can't allocate memory: "
WORKER = 'in DataLoader worker process'
OPERATOR = 'mmcv.ops: '  # an operator that mmcv_ops/ does not have


def line_of(error: Exception) -> str | None:
    """One line for an exception that is no bug; None for any other."""
    if isinstance(error, OSError) and error.errno in CURES:
        where = f'{error.filename}: ' if error.filename else ''
        return f'{where}{error.strerror}; {CURES[error.errno]}'
    if type(error).__name__ == 'OutOfMemoryError' and isinstance(error, RuntimeError):  # torch's, without torch
        return f'GPU memory: {_first(error)}; take smaller batches or images, or --amp, or --device cpu'
    if isinstance(error, MemoryError) or ALLOCATOR in str(error):
        return f'memory: {_first(error) or "not enough"}; take smaller batches or images, or fewer workers'
    return str(error) if isinstance(error, NotImplementedError) and str(error).startswith(OPERATOR) else None


def message_of(error: Exception) -> str:
    """The text of an error; of one that a loader process raised, without the traceback that torch puts around it."""
    text, kind = str(error), type(error)
    if WORKER not in text.partition('\n')[0]:
        return text
    return text.rpartition(f'\n{kind.__module__}.{kind.__qualname__}: ')[2]


def _first(error: Exception) -> str:
    """The first sentence; torch's goes on with advice, and begins with its source file."""
    return str(error).rpartition(ALLOCATOR)[2].strip().partition('\n')[0].partition('. ')[0]
