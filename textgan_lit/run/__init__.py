"""A run's files and processes, which know no game."""
