"""Discriminators: networks that score how real a sentence looks. One file each."""
