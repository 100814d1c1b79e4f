"""Take the synchronisations per step of a battery's results into allowed_synchronisations.json.

python tests/device/record_synchronisations.py OUT.json ...     of battery.py; a new kind gets an empty reason: write it
"""

import json
import sys
from pathlib import Path

RECORDED = Path(__file__).with_name('allowed_synchronisations.json')


def main() -> None:
    """Numbers of the stages that were run are replaced; reasons stay."""
    recorded = json.loads(RECORDED.read_text())
    for path in sys.argv[1:]:
        for row in json.loads(Path(path).read_text()):
            if 'syncs_per_step' in row:
                recorded['per_step'][f'{row["case"]}: {row["stage"]}'] = row['syncs_per_step']
            for kind in row.get('kinds', ()):
                recorded['reasons'].setdefault(kind, '')
    recorded = {part: dict(sorted(values.items())) for part, values in recorded.items()}
    RECORDED.write_text(json.dumps(recorded, indent=1) + '\n')


if __name__ == '__main__':
    main()
