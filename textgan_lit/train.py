"""What ``train.py`` and ``textgan-train`` begin with: signals are heard before anything that takes long is imported."""

from textgan_lit.run import process


def main() -> None:
    if process.first():
        process.last_words = lambda: "ended before anything was played."
    process.listen()
    from textgan_lit import cli

    cli.main()
