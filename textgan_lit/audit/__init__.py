"""Gradients, divergences and optima of a method beside those that enumeration gives."""
