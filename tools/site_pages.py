"""Hook of mkdocs.yml: Markdown files from outside docs/ become pages, and links between all of them work on the site.

README.md is the first page, others are ``repository/PATH``. A link to another file of the repository becomes plain
text, because the site does not hold it; one to a file that is not there stays, and `mkdocs build --strict` refuses it.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = ('CHANGELOG.md', 'SECURITY.md', 'data/README.md', 'mmcv_ops/README.md', 'configs/*/README.md',
           'plugins/*/README.md')  # fmt: skip
LINK = re.compile(r'(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s#:]+)(#[^()\s]*)?\)')
# file of the repository -> page
PAGES = {'README.md': 'index.md'} | {
    path: f'repository/{path}'
    for pattern in OUTSIDE
    for path in sorted(found.relative_to(ROOT).as_posix() for found in ROOT.glob(pattern))
}
FILES = {page: path for path, page in PAGES.items()}


def on_files(files, config):
    """Add the pages from outside docs/."""
    for path, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown, page, **_):
    """``markdown`` as the site needs it."""
    return pipes_of_site(links_of_site(markdown, page.file.src_uri))


def pipes_of_site(markdown: str) -> str:
    """Code in tables without the backslash before ``|``, which GitHub's tables need and Python-Markdown's show."""
    return re.sub(
        r'^\|.*`.*$',
        lambda row: re.sub(r'`[^`]*`', lambda code: code[0].replace(r'\|', '|'), row[0]),
        markdown,
        flags=re.M,
    )


def links_of_site(markdown: str, page: str) -> str:
    """``markdown`` of ``page`` (its path on the site), links relative to its place on the site."""

    file = FILES.get(page, f'docs/{page}')

    def link(found: re.Match) -> str:
        path = normpath(join(dirname(file), found[3]))
        target = path.removeprefix('docs/') if path.startswith('docs/') else PAGES.get(path)
        if not (ROOT / path).exists():
            return found[0]
        if target is None:
            return found[2]
        return f'{found[1]}[{found[2]}]({relpath(target, dirname(page) or ".")}{found[4] or ""})'

    return LINK.sub(link, markdown)
