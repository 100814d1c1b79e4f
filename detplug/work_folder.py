"""Where what a command makes of a data set is written when nothing else is said."""

from pathlib import Path


def default_folder(data: str, what: str) -> str:
    """work_dirs/DATA-WHAT, with the name of the folder that a file such as data.yaml lies in."""
    path = Path(data).resolve()
    return str(Path('work_dirs') / f'{path.parent.name if path.is_file() else path.name}-{what}')
