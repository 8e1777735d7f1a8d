"""docs/clients.md: its blocks that are files."""

import re
from pathlib import Path


def snippets() -> dict[str, str]:
    """Their code, by their names."""
    page = Path("docs/clients.md").read_text()
    blocks = re.findall(r"```js\n(// (\S+\.js)\n.*?)```", page, re.DOTALL)
    return {name: code for code, name in blocks}
