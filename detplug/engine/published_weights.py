"""Weights that configs name by address: ``https://...``, ``torchvision://resnet50``, ``open-mmlab://...``, ``mmcls://...``,
``mmdet://rtmdet_tiny_8xb32-300e_coco``: what mmdet published for a config of that name.

They are downloaded once, in as many calls as a bad connection takes, into the folder that torch itself uses. Nothing
here reads a file.
"""

import difflib
import hashlib
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import mmdet
import mmengine
import torch
import yaml
from mmengine.dist import barrier, get_rank
from mmengine.fileio import load

from detplug.engine.resumable_download import fetch
from detplug.errors import UserError

LISTS = {  # address -> mmengine's list of names
    'torchvision://': 'torchvision_0.12.json',
    'modelzoo://': 'torchvision_0.12.json',
    'open-mmlab://': 'openmmlab.json',
    'openmmlab://': 'openmmlab.json',
    'mmcls://': 'mmcls.json',
}
MMDET = 'mmdet://'
WEB = ('https://', 'http://')
ADDRESSES = (*WEB, *LISTS, MMDET)  # what begins like one of these is no path
HELP = 'file, or the address of published weights: https://..., mmdet://NAME'  # of a command's CHECKPOINT
HASH = re.compile(r'[-_]([0-9a-f]{8,})\.\w+$')  # of the content, in the file's name


class UnreachableWeights(UserError):
    """Weights that are neither on this machine nor to be had; ``address`` is what the config says."""

    def __init__(self, address: str, text: str):
        super().__init__(f'{address}: {text}')
        self.address = address


def url_of(address: str) -> str:
    """Where the weights of ``address`` are to be had.

    Raises:
        UserError: a name that is not in its list.
    """
    if address.startswith(WEB):
        return address
    prefix = next(prefix for prefix in (*LISTS, MMDET) if address.startswith(prefix))
    folder, name = Path(mmengine.__path__[0]) / 'hub', address.removeprefix(prefix)
    urls = mmdet_urls() if prefix == MMDET else load(folder / LISTS[prefix])
    name = load(folder / 'deprecated.json').get(name, name) if 'mmlab' in prefix else name
    if name not in urls:
        near = difflib.get_close_matches(name, urls, n=3)
        hint = f'did you mean {" or ".join(near)}?' if near else f'it has {", ".join(list(urls)[:8])}, ...'
        raise UserError(f'{address}: no such name in the list of {prefix}; {hint}')
    return urls[name]


@cache
def mmdet_urls() -> dict[str, str]:
    """Name of a config of mmdet -> weights that were published for it, of all its models (Apache-2.0).

    The names of the published files end with the beginning of their SHA-256.
    """
    urls = {}
    for path in sorted((Path(mmdet.__path__[0]) / '.mim' / 'configs').glob('*/metafile.yml')):
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        models = content.get('Models') or () if isinstance(content, dict) else content or ()
        for model in models:
            if isinstance(model.get('Weights'), str):
                urls[Path(model['Config']).stem] = model['Weights']
    return urls


def cached_path(url: str) -> Path:
    """The file of ``url`` in torch's folder; a name without a hash of its content gets one of the address before it."""
    name = Path(urlsplit(url).path).name
    if not HASH.search(name):
        name = f'{hashlib.sha256(url.encode()).hexdigest()[:8]}_{name}'
    return Path(torch.hub.get_dir()) / 'checkpoints' / name


def download(address: str) -> Path:
    """The file of ``address``, downloaded where it is not there yet: by the first process, the others wait.

    Raises:
        UserError: an unknown name.
        UnreachableWeights: no network, no such file, or one that is not what its name says.
    """
    url = url_of(address)
    target = cached_path(url)
    if get_rank() == 0 and not target.is_file():
        match = HASH.search(target.name)
        try:
            print(f'download {url}', flush=True)
            fetch(url, target, match and match[1])
        except (OSError, RuntimeError, ValueError) as error:  # network, disk, wrong hash, malformed address
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            where = '' if address == url else f'{url} '
            raise UnreachableWeights(address, f'not downloaded ({where}{reason}); put the file at {target}') from error
    barrier()
    return target
