"""What logged keys are called."""

import pytest

from textgan_lit.report import names


@pytest.mark.parametrize(
    ("key", "name", "arrow"),
    [
        ("truth/jsd_se", "true JSD, SE", ""),
        ("truth/valid_any", "share valid any", " ↑"),
        ("bound/value", "D says JSD ≥", ""),
        ("quality/frechet-all-MiniLM_500", "Fréchet distance, all-MiniLM, of 500", " ↓"),
        ("frontier/hypervolume_1000", "Hypervolume of BLEU and 1 − Self-BLEU, of 1000", " ↑"),
        ("steps/generator", "generator steps", ""),
        ("model.schedule.k", "model.schedule.k", ""),
        ("model/discriminator", "model/discriminator", ""),
        ("an arm", "an arm", ""),
    ],
)
def test_a_key_has_a_name_and_a_direction_and_what_is_none_stays(key, name, arrow):
    assert (names.name(key), names.arrow(key)) == (name, arrow)
