"""Plays a run: ``python train.py [group=option] [key=value] …`` (``--help`` names them)."""

from textgan_lit.training import main

if __name__ == "__main__":
    main()
