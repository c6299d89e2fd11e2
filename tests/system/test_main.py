"""``textgan`` from its first line on."""

import sys

import pytest

from textgan_lit.__main__ import main


class Interrupted:
    """An importer that is interrupted where the commands are imported."""

    @staticmethod
    def find_spec(name, *_):
        if name == "textgan_lit.commands":
            raise KeyboardInterrupt


def test_a_command_that_is_interrupted_while_it_is_imported_ends_with_130(monkeypatch):
    monkeypatch.delitem(sys.modules, "textgan_lit.commands", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
