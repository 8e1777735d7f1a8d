"""Pages from our own files, where an address that no file can have is not found."""

import errno
from pathlib import Path
from typing import Any, Final

from litestar.file_system import BaseLocalFileSystem
from litestar.router import Router
from litestar.static_files import create_static_files_router
from litestar.types import PathType
from litestar.types.file_types import FileInfo

# A name, or a part of one, that no file has.
_NO_NAMES: Final = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)


class _Files(BaseLocalFileSystem):
    """Local files; Litestar makes 500 of every OSError but FileNotFoundError, and of a NUL."""

    async def info(self, path: PathType, **kwargs: Any) -> FileInfo:
        try:
            return await super().info(path, **kwargs)
        except ValueError as error:
            # A NUL.
            raise FileNotFoundError from error
        except OSError as error:
            if error.errno in _NO_NAMES:
                raise FileNotFoundError from error
            raise


def pages(path: str, directory: Path) -> Router:
    """The files of a directory under `path`, and its index.html at `path` itself."""
    return create_static_files_router(
        path=path,
        directories=[directory],
        file_system=_Files(),
        html_mode=True,
        include_in_schema=False,
    )
