"""Generators: networks that write a sentence word by word. One file each."""
