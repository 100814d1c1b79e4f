"""What ``--weights`` of a recipe means."""

from pathlib import Path

from detplug.engine.published_weights import ADDRESSES, MMDET, url_of
from detplug.errors import UserError
from detplug.recipe.models import RecipeModel

COCO = 'coco'


def start_of(weights: str | None, model: RecipeModel, name: str) -> str | None:
    """``load_from`` of the config: the absolute path of a checkpoint, an address, or None for random weights.

    Args:
        weights: a file; an address (``https://...``, ``mmdet://CONFIG``); ``coco`` for the weights that mmdet published
            for the model ``name`` (Apache-2.0), downloaded when the training starts.

    Raises:
        UserError: no such file; no weights were published for the model.
    """
    if weights is None or weights.startswith(ADDRESSES):
        return weights
    if weights == COCO and not Path(weights).is_file():
        stem = Path(model.config).stem
        if not model.config.startswith('mmdet::'):
            raise UserError(
                f'--weights {COCO}: none of {name} are published under the licence of this project; give a file'
            )
        url_of(MMDET + stem)
        return MMDET + stem
    if not Path(weights).is_file():
        raise UserError(f'{weights}: --weights: no such file; give a checkpoint, or leave it out')
    return str(Path(weights).resolve())
