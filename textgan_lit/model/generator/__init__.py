"""Generators: networks that write a sentence token by token. One file each."""
