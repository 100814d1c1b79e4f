"""Weights that configs name by address: ``https://...``, ``torchvision://resnet50``, ``open-mmlab://...``, ``mmcls://...``.

They are downloaded once, into the folder that torch itself uses. Nothing here reads a file.
"""

import difflib
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import mmengine
import torch
from mmengine.dist import barrier, get_rank
from mmengine.fileio import load

from detplug.errors import UserError

LISTS = {  # address -> mmengine's list of names
    'torchvision://': 'torchvision_0.12.json',
    'modelzoo://': 'torchvision_0.12.json',
    'open-mmlab://': 'openmmlab.json',
    'openmmlab://': 'openmmlab.json',
    'mmcls://': 'mmcls.json',
}
WEB = ('https://', 'http://')
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
    prefix = next(prefix for prefix in LISTS if address.startswith(prefix))
    folder, name = Path(mmengine.__path__[0]) / 'hub', address.removeprefix(prefix)
    urls = load(folder / LISTS[prefix])
    name = load(folder / 'deprecated.json').get(name, name) if 'mmlab' in prefix else name
    if name not in urls:
        near = difflib.get_close_matches(name, urls, n=3)
        hint = f'did you mean {" or ".join(near)}?' if near else f'it has {", ".join(list(urls)[:8])}, ...'
        raise UserError(f'{address}: no such name in the list of {prefix}; {hint}')
    return urls[name]


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
            target.parent.mkdir(parents=True, exist_ok=True)
            print(f'download {url}', flush=True)
            torch.hub.download_url_to_file(url, str(target), match and match[1], progress=False)
        except (OSError, RuntimeError, ValueError) as error:  # network, disk, wrong hash, malformed address
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            where = '' if address == url else f'{url} '
            raise UnreachableWeights(address, f'not downloaded ({where}{reason}); put the file at {target}') from error
    barrier()
    return target
