"""``textgan COMMAND …``, and ``python -m textgan_lit COMMAND …``: Ctrl+C is one exit code from the first line on."""

import sys


def main() -> None:
    """What ``textgan`` calls. Importing the commands takes half a second, and may be interrupted."""
    try:
        from textgan_lit.commands import main as perform

        perform()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
