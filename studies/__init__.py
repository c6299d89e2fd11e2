"""Studies: questions that many runs answer together, each with the command that plays them and writes its page."""
