import pytest

import textgan_lit
from textgan_lit.run.checkpoint import write


@pytest.fixture
def opened(tmp_path):
    """Writes a state into a run's folder and opens that."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)

    def run(state, **options):
        write(state, tmp_path / "run" / "checkpoints" / "step-00000001.ckpt")
        return textgan_lit.load(tmp_path / "run", **options)

    return run
