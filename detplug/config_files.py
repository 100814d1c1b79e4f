"""Where the configs that come with detplug are: in the wheel inside the package, in a checkout beside it."""

from pathlib import Path

from detplug.errors import UserError


def configs_folder() -> Path:
    """The folder with ``_base_/`` and one folder a plugin, ``yolov5/yolov5n_bccd.py`` in it.

    ``detplug/configs`` of an installed wheel; the checkout's ``configs`` where detplug is run from its source or
    installed with ``pip install -e``.

    Raises:
        UserError: neither is there.
    """
    package = Path(__file__).resolve().parent
    folder = package / 'configs'
    if not folder.is_dir():
        folder = package.parent / 'configs'
    if not (folder / '_base_').is_dir():
        raise UserError(f'{package / "configs"}: the configs are missing; install detplug again')
    return folder
