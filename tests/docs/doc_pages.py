"""The Markdown pages of the project and their code blocks."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = ('README.md', 'CHANGELOG.md', 'SECURITY.md', 'docs/**/*.md', 'data/README.md', 'mmcv_ops/README.md',
            'configs/*/README.md', 'plugins/*/README.md')  # fmt: skip
PAGES = sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})
FENCE = re.compile(r'^(?:<!-- (run|file: \S+) -->\n)?```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: ``note`` is the comment above it, ``run`` or ``file: NAME``, or ''."""

    page: str
    line: int
    note: str
    language: str
    text: str

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'


def blocks_of(path: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text, page = path.read_text(), path.relative_to(ROOT).as_posix()
    return [
        Block(page, text.count('\n', 0, found.start()) + 1, found[1] or '', found[2], found[3])
        for found in FENCE.finditer(text)
    ]


BLOCKS = [block for path in PAGES for block in blocks_of(path)]


def of_language(language: str) -> list[Block]:
    """All blocks of ``language``."""
    return [block for block in BLOCKS if block.language == language]
