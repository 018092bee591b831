"""The page of the package in an index, made from the README when the package is built.

An index has none of the files that the README leads to: pictures are left out, and links to files
become their text.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*")
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")


def page_of(readme: str) -> str:
    """The README without what leads to other files.

    >>> page_of("A [page](docs/a.md) and [one](https://example.org).")
    'A page and [one](https://example.org).'
    """
    return LINK.sub(r"\1", PICTURE.sub("", readme))


class PackagePage(MetadataHookInterface):
    """Gives hatchling the text."""

    def update(self, metadata: dict[str, Any]) -> None:
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": page_of(readme)}
