"""Sentences for text files, and what the data made of such a file holds."""

LINES = [
    f"{a} {b} {c}"
    for a in ("the", "a", "one")
    for b in ("cat", "dog", "bird")
    for c in ("sat", "ran", "flew", "ate now")
]


def texts(data, split):
    return [data.vocab.text(row) for row in data.sentences(split).tokens.tolist()]


def take(loader, n):
    return [batch for _, batch in zip(range(n), loader, strict=False)]


def everything(data):
    return sorted(text for split in data.sizes for text in texts(data, split))
