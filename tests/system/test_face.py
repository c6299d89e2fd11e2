"""The public names: each can be had, all are listed, and none is imported before it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

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


def test_a_type_checker_is_told_of_the_same_names():
    (told,) = (part for part in ast.parse(Path(textgan_lit.__file__).read_text()).body if isinstance(part, ast.If))
    found = {
        alias.asname: line.module.removeprefix("textgan_lit.")
        for line in told.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert found == textgan_lit._HOME
