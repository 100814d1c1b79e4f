"""Read checkpoints without executing anything in them, and write them atomically.

Importing this module makes mmengine's own loaders (``load_from``, ``init_cfg=dict(type='Pretrained')``, inferencers)
read through :func:`load_file` too: ``weights_only=True``, no fall-back to full unpickling.
"""

from pathlib import Path
from typing import Any, NoReturn

import torch
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from detplug.engine.atomic_file import write_atomic
from detplug.engine.plain_data import plain
from detplug.engine.published_weights import ADDRESSES, download
from detplug.engine.weights import fit_weights
from detplug.errors import UserError

CODE_IN_META = ('config', 'cfg')  # texts that stock mmengine executes as Python


class Dropped:
    """Stands for an object of mmengine's or numpy's that published checkpoints carry beside their weights."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


_DROPPED = [
    (Dropped, name)
    for name in (
        'mmengine.logging.history_buffer.HistoryBuffer',
        'builtins.getattr',
        'builtins.slice',
        'numpy.core.multiarray._reconstruct',
        'numpy._core.multiarray._reconstruct',
        'numpy.core.multiarray.scalar',
        'numpy._core.multiarray.scalar',
        'numpy.ndarray',
        'numpy.dtype',
        'numpy.dtypes.UInt32DType',
        'numpy.dtypes.Float64DType',
        'numpy.dtypes.Float32DType',
        'numpy.dtypes.Int64DType',
    )
]


def _read(file: Any, map_location: Any = 'cpu', **options: Any) -> Any:
    with torch.serialization.safe_globals(_DROPPED):
        return torch.load(file, map_location=map_location, weights_only=True, **options)


def load_file(path: str | Path, map_location: Any = 'cpu') -> dict[str, Any]:
    """The checkpoint at ``path``, or published weights by their address.

    Config texts in it are dropped, so that nobody down the line executes them.
    Logs and numpy values of checkpoints that stock mmengine wrote are dropped as well (:class:`Dropped`).

    Raises:
        UserError: no such file, not a complete checkpoint, or one that holds more than data.
    """
    if str(path).startswith(ADDRESSES):
        return load_from_address(str(path), map_location)
    path = checkpoint_file(path).expanduser()
    if not path.is_file():
        raise UserError(f'{path}: checkpoint not found; check the path')
    try:
        checkpoint = _read(path, map_location)
    except Exception as error:  # whatever bytes are in the file: it is not a checkpoint that can be trusted
        text = str(error).replace('\n', ' ')
        if 'Unsupported global' in text or 'Unsupported class' in text or 'Trying to' in text or 'blocklisted' in text:
            raise UserError(
                f'{path}: holds more than data ({_refused(text)}) and was not read; '
                'official weights of other projects go through tools/convert_weights.py'
            ) from None
        raise UserError(f'{path}: not a complete checkpoint ({type(error).__name__}); copy or train it again') from None
    if not isinstance(checkpoint, dict):
        raise UserError(f'{path}: holds a {type(checkpoint).__name__}, not a dict of tensors; give a checkpoint')
    return _without_code(checkpoint)


def checkpoint_file(path: str | Path) -> Path:
    """The file of a checkpoint, that of published weights downloaded where it is not there yet.

    Raises:
        UserError: an address whose file is not to be had, or of a kind that is not read.
    """
    if str(path).startswith(ADDRESSES):
        return download(str(path))
    return load_from_refused(str(path)) if '://' in str(path) else Path(path)


def _refused(text: str) -> str:
    words = text.partition('GLOBAL ')[2].split()
    return words[0] if words else 'code'


def _without_code(checkpoint: dict[str, Any]) -> dict[str, Any]:
    hub = checkpoint.get('message_hub')
    places = [checkpoint.get('meta'), hub, hub.get('runtime_info') if isinstance(hub, dict) else None]
    for place in places:
        if isinstance(place, dict):
            for key in CODE_IN_META:
                place.pop(key, None)
    return checkpoint


def save_atomic(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write ``checkpoint`` to ``path``: whole or not at all, and only when :func:`load_file` can read it.

    Raises:
        UserError: something in it that is neither a tensor nor plain data.
    """
    data = plain(checkpoint)
    write_atomic(path, lambda file: torch.save(data, file), check=lambda temporary: _read(temporary, mmap=True))


def load_weights(model: torch.nn.Module, path: str | Path, strict: bool = True) -> dict[str, Any]:
    """Load the weights of the checkpoint at ``path`` into ``model`` and return the checkpoint.

    Args:
        strict: every tensor must fit; otherwise what does not fit is skipped and named in one printed line.

    Raises:
        UserError: unreadable file; with ``strict``, missing, unexpected or differently shaped tensors, in one line.
    """
    checkpoint = load_file(path)
    skipped = fit_weights(model, checkpoint, path, strict)
    model.load_state_dict(checkpoint['state_dict'])
    if skipped:
        print(f'{path}: {skipped}')
    return checkpoint


def load_from_address(address: str, map_location: Any = None, **_: Any) -> dict[str, Any]:
    """Download published weights, once, and read them as :func:`load_file` does."""
    checkpoint = load_file(download(address), map_location or 'cpu')
    if not address.startswith('mmcls://'):
        return checkpoint
    state = checkpoint.get('state_dict', checkpoint)  # a classifier, of which the backbone is wanted
    return dict(state_dict={name[len('backbone.') :]: x for name, x in state.items() if name.startswith('backbone.')})


def load_from_path(name: str, map_location: Any = None) -> dict[str, Any]:
    """:func:`load_file` with the arguments of mmengine's loaders."""
    return load_file(name, map_location or 'cpu')


def load_from_refused(name: str, map_location: Any = None) -> NoReturn:
    """Stands for mmengine's other sources (s3://, petrel://, pavi://), which unpickle.

    Raises:
        UserError: always.
    """
    raise UserError(f'{name}: this kind of address is not read; download the file and give its path')


def install() -> None:
    """Replace every loader of mmengine's registry of checkpoint sources by ours."""
    for prefix in list(CheckpointLoader._schemes):
        CheckpointLoader.register_scheme(prefix, load_from_refused, force=True)
    CheckpointLoader.register_scheme(ADDRESSES, load_from_address, force=True)
    CheckpointLoader.register_scheme('', load_from_path, force=True)
    mmengine_checkpoint._safe_torch_load = lambda file, map_location=None, weights_only=None: _read(file, map_location)


install()
