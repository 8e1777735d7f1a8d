"""docs/clients.md: its blocks that are files, and those that are parts of an app."""

import re
from pathlib import Path


def snippets() -> dict[str, str]:
    """The code of its files, by their names."""
    blocks = re.findall(r"```js\n(// (\S+\.js)\n.*?)```", _page(), re.DOTALL)
    return {name: code for code, name in blocks}


def components() -> list[str]:
    """What is of React Native, and so not run here."""
    return re.findall(r"```jsx\n(.*?)```", _page(), re.DOTALL)


def _page() -> str:
    return Path("docs/clients.md").read_text()
