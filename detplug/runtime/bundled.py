"""The detectors that come with detplug: folders of ``detplug/bundles``, each with model, manifest and card."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / 'bundles'
CARD = 'card.json'


def bundled() -> dict[str, Path]:
    """Name -> folder of each, by name."""
    return {path.parent.name: path.parent for path in sorted(FOLDER.glob(f'*/{CARD}'))}


def card_of(folder: Path) -> dict[str, Any]:
    """What the card of a bundled detector says: data, licence, figures with their command, intended use."""
    return json.loads((folder / CARD).read_text(encoding='utf-8'))


def bundle_folder(name: str | Path) -> Path:
    """The folder of a bundle: ``name`` itself where there is such a folder, else that of the bundled detector."""
    return Path(name) if Path(name).exists() else bundled().get(str(name), Path(name))
