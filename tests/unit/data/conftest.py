"""Files of text and of bytes, and the data that is made of text."""

import pytest

from tests.helpers.texts import LINES
from textgan_lit.data.text import TextData


@pytest.fixture
def put(tmp_path):
    def write(content, name="my.txt"):
        path = tmp_path / name
        text = "\n".join(content) + "\n" if isinstance(content, list) else content
        raw = text if isinstance(text, bytes) else text.encode()
        if not path.exists() or path.read_bytes() != raw:  # else its date stays
            path.write_bytes(raw)
        return str(path)

    return write


@pytest.fixture
def data(tmp_path, put):
    def make(content=LINES, name="my.txt", batch=8, **options):
        settings = {"cache": str(tmp_path / "cache"), "tokenizer": "whitespace"} | options
        return TextData(put(content, name), **settings).with_batch(batch)

    return make
