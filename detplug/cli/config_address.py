"""Configs by address: ``detplug::yolov5/yolov5n_bccd.py``, ``mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py``, or a path.

Importing this module lets ``_base_`` name ``detplug::`` configs too; mmengine reads ``mmdet::`` there by itself.
"""

import difflib
import importlib.util
from pathlib import Path

from mmengine.config import Config

from detplug.config_files import configs_folder
from detplug.errors import UserError

OURS = 'detplug'


def config_path(address: str | Path) -> Path:
    """The file of a config that is named by its path or as ``PACKAGE::FOLDER/NAME.py``.

    Raises:
        UserError: no such file; the line names similar configs of the package.
    """
    package, separator, name = str(address).partition('::')
    if not separator:
        path = Path(address)
        if not path.is_file():
            raise UserError(
                f'{path}: config not found; give the path of a file, or detplug::FOLDER/NAME.py, mmdet::FOLDER/NAME.py'
            )
        return path
    folder = _configs_of(package, address)
    path = folder / name
    if name and path.is_file():
        return path
    raise UserError(f'{address}: config not found; {_near(name, folder, package)}')


def is_of_package(path: Path) -> bool:
    """Whether a config is one that an installed package other than ours brings, which its user did not write."""
    return 'site-packages' in path.resolve().parts and '.mim' in path.resolve().parts


def _configs_of(package: str, address: str | Path) -> Path:
    """The folder of a package's configs: ours, or where mmengine's own tools put those of other packages."""
    if package == OURS:
        return configs_folder()
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f'{address}: no package {package!r} is installed; write detplug:: or mmdet::')
    root = Path(next(iter(spec.submodule_search_locations)))
    for folder in (root / '.mim' / 'configs', root.parent / 'configs'):
        if folder.is_dir():
            return folder
    raise UserError(f'{address}: the package {package} brings no configs; give the path of a file')


def _near(name: str, folder: Path, package: str) -> str:
    known = sorted(path.relative_to(folder).as_posix() for path in folder.glob('[!_]*/**/*.py'))
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    near += [path for path in known if Path(path).stem == Path(name).stem and path not in near]
    if near:
        return f'did you mean {" or ".join(f"{package}::{path}" for path in near)}?'
    folders = sorted({path.partition('/')[0] for path in known})
    return f'its folders: {", ".join(folders[:12])}{", ..." if len(folders) > 12 else ""}'


_mmengine_path = Config._get_cfg_path


def _base_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
    """mmengine's, which knows the packages of its own family only."""
    if cfg_path.startswith(f'{OURS}::'):
        return str(config_path(cfg_path)), None
    return _mmengine_path(cfg_path, filename)


Config._get_cfg_path = staticmethod(_base_path)
