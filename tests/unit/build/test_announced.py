"""Options of installed packages: found without --config-dir, and without importing anybody's package."""

import sys

import pytest
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl

from hydra_plugins.textgan_lit import AnnouncedConf
from tests.helpers.command import run
from textgan_lit.build import announced
from textgan_lit.build.trust import CONF
from textgan_lit.errors import UserError

YAML = "_target_: my_lab.reward.Tempered\ntemperature: 2.0\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Where pip has put a package of somebody's, which fails when it is imported."""
    (tmp_path / "my_lab" / "conf" / "model" / "reward").mkdir(parents=True)
    (tmp_path / "my_lab" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "my_lab" / "conf" / "model" / "reward" / "tempered.yaml").write_text(YAML)
    (tmp_path / "my_lab-0.1.0.dist-info").mkdir()
    (tmp_path / "my_lab-0.1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: my-lab\nVersion: 0.1.0\n"
    )
    points = "[textgan_lit.conf]\nmy_lab = my_lab.conf\n"
    (tmp_path / "my_lab-0.1.0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_its_options_are_the_command_lines(site, monkeypatch, capsys):
    run(monkeypatch, "model/reward=tempered", "--cfg", "job")
    assert "reward:\n    _target_: my_lab.reward.Tempered\n    temperature: 2.0\n" in capsys.readouterr().out
    assert "my_lab" not in sys.modules


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("model/reward=temperd",), "model/reward=temperd: there is no such option. Nearest: tempered."),
        (
            ("model/reward=tempered", "temperature=1"),
            "Did you mean model.reward.temperature or model.policy.temperature?",
        ),
    ],
)
def test_a_slip_is_answered_with_what_it_brings(overrides, said, site, monkeypatch):
    with pytest.raises(SystemExit) as refused:
        run(monkeypatch, *overrides, "--cfg", "job")
    assert said in str(refused.value)


def test_a_folder_that_is_not_there_is_said_with_the_packages_name(site, monkeypatch):
    (site / "my_lab" / "conf").rename(site / "my_lab" / "config")
    said = r"The installed package my-lab announces the folder my_lab\.conf .* is not there\. .* pip uninstall my-lab\."
    with pytest.raises(UserError, match=said):
        announced.folders()
    with pytest.raises(SystemExit, match=said):
        run(monkeypatch, "--cfg", "job")


def test_other_programs_of_hydras_are_left_alone(site):
    for main, found in ((f"file://{CONF}", [str(site / "my_lab" / "conf")]), ("pkg://other.conf", [])):
        path = ConfigSearchPathImpl()
        path.append("main", main)
        AnnouncedConf().manipulate_search_path(path)
        assert [part.path.removeprefix("file://") for part in path.get_path()[1:]] == found
