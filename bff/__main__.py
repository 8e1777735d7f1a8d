"""The `comanda` command from its first moment: Ctrl-C ends it quietly while it is still loading."""

import os
import signal
from types import FrameType

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main() -> None:
    """Run the command line."""
    # Nothing is begun that would have to be put in order, and an exception inside an import
    # would be shown as a traceback, or swallowed.
    signal.signal(signal.SIGINT, _leave)
    from bff import cli

    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
