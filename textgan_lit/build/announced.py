"""Configuration folders of installed packages: each announces its own by an entry point, and needs no --config-dir.

In the package's pyproject.toml, for the folder conf/ of my_lab::

    [project.entry-points."textgan_lit.conf"]
    my_lab = "my_lab.conf"
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from textgan_lit.errors import UserError, shown

GROUP = "textgan_lit.conf"


def folders() -> list[Path]:
    """Those of all installed packages, by their names; none of the packages is imported.

    Raises:
        UserError: where there is no such folder.
    """
    return [_folder(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]


def _folder(point: EntryPoint) -> Path:
    package, *inner = point.value.split(".")
    spec = find_spec(package)
    for place in (spec and spec.submodule_search_locations) or ():
        if (folder := Path(place, *inner)).is_dir():
            return folder
    name = shown(point.dist.name if point.dist else point.name)
    raise UserError(
        f"The installed package {name} announces the folder {shown(point.value)} ({GROUP}), which is not there. "
        f"Install it again, or pip uninstall {name}."
    )
