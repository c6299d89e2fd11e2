"""``python -m textgan_lit COMMAND …``: what ``textgan COMMAND …`` does."""

from textgan_lit.commands import main

if __name__ == "__main__":
    main()
