"""A configuration becomes parts, parts become a game: what is named, what may be, what fits."""
