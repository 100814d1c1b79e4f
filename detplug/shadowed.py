"""Is the package ``plugins`` that Python finds the one that belongs to this detplug?"""

from importlib.util import find_spec
from pathlib import Path

from detplug.errors import UserError


def check_plugins() -> None:
    """Look where ``import plugins`` would lead, without importing it.

    A folder of that name in the working folder, beside a script or in PYTHONPATH comes before ours, and a config's
    ``custom_imports`` then finds nothing in it.

    Raises:
        UserError: it leads to a folder that is not beside the package ``detplug``.
    """
    ours = Path(__file__).resolve().parents[1] / 'plugins'
    spec = find_spec('plugins')
    if spec is None:  # an installation without them is found out where one is asked for
        return
    places = [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin]]
    if places != [ours]:
        raise UserError(
            f'{places[0]}: hides the plugins of detplug, which are in {ours}; rename it, or take the folder that holds '
            'it out of PYTHONPATH or start in another folder'
        )
