"""The public names: each can be had, all are listed, and none is imported before it is asked for."""

import subprocess
import sys

import pytest

import textgan_lit


@pytest.mark.parametrize("name", textgan_lit.__all__)
def test_every_public_name_is_what_it_says(name):
    assert getattr(textgan_lit, name).__name__ == name
    assert name in dir(textgan_lit)


def test_another_name_is_none():
    with pytest.raises(AttributeError, match="no attribute 'GAN'"):
        textgan_lit.GAN  # noqa: B018


def test_the_package_alone_imports_no_torch():
    code = "import sys, textgan_lit; print(sorted(dir(textgan_lit)) and 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
