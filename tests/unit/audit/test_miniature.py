"""A small language model of a given one's kind."""

import pytest

pytest.importorskip("transformers", reason="pretrained models need the extra lm")

from tests.helpers import tiny_lm
from textgan_lit.audit.miniature import miniature
from textgan_lit.errors import UserError
from textgan_lit.model import hugging_face


@pytest.mark.parametrize("kind", tiny_lm.OF_KIND)
def test_it_has_the_kind_and_other_sizes(kind, tmp_path):
    large = {"gpt2": {"n_layer": 5, "n_embd": 32}}.get(kind, {"num_hidden_layers": 5, "hidden_size": 32})
    tiny_lm.save(tmp_path / "large", kind, tie_word_embeddings=True, layer_norm_eps=0.5, rms_norm_eps=0.5, **large)
    vocab = miniature(str(tmp_path / "large"), "abc", tmp_path / "small", "name")
    assert vocab.tokens == ("a", "b", "c")
    found = hugging_face.opened(str(tmp_path / "small"), "AutoModelForCausalLM", "float32", "name").network
    assert found.config.model_type == kind
    assert found.config.tie_word_embeddings
    assert (found.config.num_hidden_layers, found.config.hidden_size, found.config.vocab_size) == (2, 16, 5)
    assert getattr(found.config, "rms_norm_eps", 0.5) == 0.5  # what is no size is the given one's


def test_a_folder_of_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"model\.generator\.name=.*config\.json"):
        miniature(str(tmp_path), "abc", tmp_path / "small", "model.generator.name")
