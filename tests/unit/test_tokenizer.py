"""Tokenizers are somebody's files: they work, or say in one line why not."""

import base64
import json
import subprocess
import sys

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from textgan_lit import tokenizer
from textgan_lit.errors import UserError
from textgan_lit.types import Vocab

LINES = ["the cat sat", "the dog ran", "a cat ran"]


def spelled(kind):
    return tokenizer.trained(kind, iter([LINES * 5]), 50)


@pytest.mark.parametrize("kind", tokenizer.KINDS)
def test_what_is_cut_is_joined_again(kind):
    text = spelled(kind)
    vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
    for line in LINES:
        ids = vocab.encode(line)
        assert max(ids) < len(vocab.tokens)
        assert vocab.text([*ids, vocab.eos, vocab.pad, vocab.pad]) == line


WRITTEN = [
    "The cat's hat (red) isn't  here, \"no\"; 3.5 % of U.S. cafés…",
    "a man 's hat , and 'tis dogs' .",
    "“Don’t!” she said:\n  well-known",
]


def test_words_leave_their_punctuation_and_come_back_as_they_were():
    text = tokenizer.trained("word", iter([WRITTEN]), 200)
    for line in WRITTEN:
        assert tokenizer.decode(text, tokenizer.encode(text, line)) == line
    known = tokenizer.tokens(text)
    assert [known[number] for number in tokenizer.encode(text, "The hat (red) isn't.")] == [
        *("▁The", "▁hat", "▁(", "red", ")", "▁isn", "'t", "."),
    ]
    rare = tokenizer.encode(text, "The zebra said: <unk>.")
    assert tokenizer.decode(text, rare) == "The <unk> said: <unk>."
    assert tokenizer.encode(text, "The <unk> said: <unk>.") == rare


@pytest.mark.parametrize("kind", tokenizer.KINDS)
def test_small_letters_alone_where_that_is_asked_for(kind):
    text = tokenizer.trained(kind, iter([LINES * 5]), 50, lowercase=True)
    assert tokenizer.decode(text, tokenizer.encode(text, "The CAT sat")) == "the cat sat"


@pytest.mark.parametrize("kind", ["word", "whitespace", "char", "bpe"])  # unigram's sums depend on how its threads fall
def test_training_is_repeatable(kind):
    assert spelled(kind) == spelled(kind)


@pytest.mark.parametrize("kind", tokenizer.KINDS)
def test_what_is_unknown_has_its_token(kind):
    text = spelled(kind)
    assert tokenizer.tokens(text)[tokenizer.unknown(text)] == tokenizer.UNKNOWN
    assert tokenizer.unknown(text) in tokenizer.encode(text, "猫")


def test_frequent_tokens_come_first():
    assert tokenizer.tokens(spelled("whitespace"))[:3] == ("<unk>", "cat", "ran")


def test_numbers_with_a_gap_are_refused():
    altered = json.loads(spelled("whitespace"))
    altered["model"]["vocab"]["cat"] = 77
    with pytest.raises(UserError, match="without a gap"):
        tokenizer.tokens(json.dumps(altered))


def test_what_a_tokenizer_adds_cuts_or_pads_is_left_out():
    made = Tokenizer.from_str(spelled("whitespace"))
    plain = made.encode("the cat sat").ids
    made.enable_truncation(2)
    made.enable_padding(length=9)
    assert tokenizer.encode(made.to_str(), "the cat sat") == plain


def charsmap(becomes: bytes) -> str:
    """A table as SentencePiece compiles it, with a tree in which nothing is found."""
    return base64.b64encode((1024).to_bytes(4, "little") + bytes(1024) + becomes + b"\0").decode()


LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_2 = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
SHAPES = {  # model, normalizers, pre-tokenizers, decoders, as common tokenizers have them
    "gpt2": (models.BPE(), [], [pre_tokenizers.ByteLevel()], [decoders.ByteLevel()]),
    "llama3": (models.BPE(), [], [pre_tokenizers.Split(Regex(LLAMA_3), "isolated"), BYTES], [decoders.ByteLevel()]),
    "qwen2": (
        models.BPE(),
        [normalizers.NFC()],
        [pre_tokenizers.Split(Regex(QWEN_2), "isolated"), BYTES],
        [decoders.ByteLevel()],
    ),
    "smollm2": (
        models.BPE(),
        [],
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
        [decoders.ByteLevel()],
    ),
    "llama2": (
        models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")],
        [],
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)],
    ),
    "gemma": (
        models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
        [normalizers.Replace(" ", "▁")],
        [pre_tokenizers.Split(" ", "merged_with_previous")],
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()],
    ),
    "bert": (
        models.WordPiece(unk_token="<unk>"),
        [normalizers.BertNormalizer()],
        [pre_tokenizers.BertPreTokenizer()],
        [decoders.WordPiece()],
    ),
    "t5": (models.Unigram(), [("precompiled", 18)], [pre_tokenizers.Metaspace()], [decoders.Metaspace()]),
    "albert": (
        models.Unigram(),
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            ("precompiled", 18),
        ],
        [pre_tokenizers.Metaspace()],
        [decoders.Metaspace()],
    ),
    "clip": (
        models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()],
        [pre_tokenizers.WhitespaceSplit()],
        [decoders.BPEDecoder()],
    ),
}
TRAINERS = {"BPE": trainers.BpeTrainer, "WordPiece": trainers.WordPieceTrainer, "Unigram": trainers.UnigramTrainer}


def shaped(name):
    """A tokenizer.json of this shape, taught on the lines."""
    model, norms, cuts, back = SHAPES[name]
    tables = [made[1] for made in norms if isinstance(made, tuple)]
    norms = [made for made in norms if not isinstance(made, tuple)]
    made = Tokenizer(model)
    if norms:
        made.normalizer = normalizers.Sequence(norms)
    if cuts:
        made.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    made.decoder = decoders.Sequence(back)
    kind = type(model).__name__
    more = {"unk_token": "<unk>"} if kind == "Unigram" else {}
    if name == "clip":
        more["end_of_word_suffix"] = "</w>"
    trainer = TRAINERS[kind](vocab_size=150, special_tokens=["<unk>", "<s>"], show_progress=False, **more)
    made.train_from_iterator(LINES * 5, trainer)
    made.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))])
    found = json.loads(made.to_str())
    for size in tables:
        norm = found["normalizer"] or {"type": "Sequence", "normalizers": []}
        norm["normalizers"].append({"type": "Precompiled", "precompiled_charsmap": charsmap(b"x" * size)})
        found["normalizer"] = norm
    return json.dumps(found)


@pytest.mark.parametrize("name", SHAPES)
def test_common_tokenizers_are_opened_and_cut_as_the_library_cuts(name):
    text = shaped(name)
    whole = Tokenizer.from_str(text)
    for line in LINES:
        ids = tokenizer.encode(text, line)
        assert ids == whole.encode(line, add_special_tokens=False).ids
        assert tokenizer.decode(text, ids) == whole.decode(ids, skip_special_tokens=False)


def test_sentences_together_are_cut_as_they_are_alone(monkeypatch):
    text = spelled("bpe")
    alone = [tokenizer.encode(text, line) for line in LINES]
    monkeypatch.setattr(tokenizer, "AT_ONCE", 25)  # two at a time, and the third
    assert list(tokenizer.encode_all(text, LINES)) == alone
    with pytest.raises(UserError, match=r"A sentence of 26 characters: .* at most 12"):
        tokenizer.encode(text, "a" * 26)


def test_chance_is_left_out():
    text = json.loads(spelled("bpe"))
    text["model"]["dropout"] = 1.0
    assert tokenizer.encode(json.dumps(text), "the cat sat") == tokenizer.encode(spelled("bpe"), "the cat sat")


def sequence(inner, *parts):
    return {"type": "Sequence", inner: list(parts)}


def replaced(content, **pattern):
    return {"type": "Replace", "pattern": pattern, "content": content}


LONG = "ab" * 3000
HOSTILE = {
    "a normalizer's replacement": ("normalizer", replaced(LONG, String="a")),
    "short ones, one after another": ("normalizer", sequence("normalizers", *[replaced("aaaa", String="a")] * 20)),
    "Unicode's longest, again and again": (
        "normalizer",
        sequence("normalizers", *[replaced("\ufdfa", String=" "), {"type": "NFKD"}] * 9),
    ),
    "between any two": ("normalizer", replaced(LONG, String="")),
    "what is put before": ("normalizer", {"type": "Prepend", "prepend": LONG}),
    "a table's": ("normalizer", {"type": "Precompiled", "precompiled_charsmap": charsmap(LONG.encode())}),
    "no table": ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "!"}),
    "an expression without end": ("normalizer", replaced(" ", Regex="(a|a|aa)*$")),
    "a cut without end": (
        "pre_tokenizer",
        {"type": "Split", "pattern": {"Regex": "(a*)*b"}, "behavior": "Isolated", "invert": False},
    ),
    "many parts": ("pre_tokenizer", sequence("pretokenizers", *[{"type": "Whitespace"}] * 1000)),
    "sequences in sequences": ("pre_tokenizer", sequence("pretokenizers", *[sequence("pretokenizers")] * 1000)),
    "a decoder's replacement": ("decoder", replaced(LONG, String="a")),
    "of each other": (
        "decoder",
        sequence("decoders", *[replaced("bbbb", String="a"), replaced("aaaa", String="b")] * 9),
    ),
    "an unknown part": ("decoder", {"type": "Multiply", "by": 1000}),
    "a part that is none": ("decoder", ["Fuse"]),
    "a part without a type": ("normalizer", {"content": "a"}),
    "a sequence of letters": ("normalizer", {"type": "Sequence", "normalizers": "abc"}),
    "a longer token for what is unknown": ("model", {"unk_token": LONG}),
    "a token that may begin anywhere": (
        "model",
        {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a" * 300, -1.0]]},
    ),
    "pieces without end": ("model", {"max_input_chars_per_word": 10**9}),
    "added tokens": ("added_tokens", [{"id": 9 + n, "content": f"{n}" + LONG} for n in range(90)]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_multiplies_text_or_searches_for_ever_is_refused(name):
    place, value = HOSTILE[name]
    text = json.loads(spelled("whitespace"))
    text[place] = text["model"] | value if place == "model" else value
    with pytest.raises(UserError, match=r"no tokenizer\.json that may be opened") as said:
        tokenizer.tokens(json.dumps(text))
    assert "\n" not in str(said.value)
    assert len(str(said.value)) < 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "no tokenizer.json"),
        ('{"a":' * 100_000, "no tokenizer.json"),
        ("[]", "no tokenizer.json"),
        ("{}", "'model'"),
        (" " * (tokenizer.LARGEST + 1), "too large"),
        ("[" * (tokenizer.NESTED + 1), "too large"),
        ('{"model": {"type": "WordLevel", "vocab": {"\\ud800": 0}, "unk_token": "a"}}', "no tokenizer.json"),
    ],
)
def test_what_is_no_tokenizer_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        tokenizer.tokens(text)


def test_what_is_added_around_a_sentence_is_not_even_opened():
    """A template may say a sentence as often as it likes."""
    text = json.loads(spelled("whitespace"))
    pieces = [{"Sequence": {"id": "A", "type_id": 0}}] * 1000
    text["post_processor"] = {"type": "TemplateProcessing", "single": pieces, "pair": pieces, "special_tokens": {}}
    assert tokenizer.encode(json.dumps(text), "the cat") == tokenizer.encode(spelled("whitespace"), "the cat")


@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem"])
def test_a_device_is_no_tokenizer(path):
    with pytest.raises(UserError, match="cannot be read"):
        tokenizer.read(path)


WORST = """
import json, resource, sys
from textgan_lit import tokenizer
from textgan_lit.errors import UserError
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
text = json.loads(tokenizer.trained("char", iter([["ab c"]]), 10))
text["normalizer"] = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * tokenizer.GROWTH}
text["decoder"] = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * tokenizer.GROWTH}
text = json.dumps(text)
ids = tokenizer.encode(text, "a" * (tokenizer.AT_ONCE // tokenizer.GROWTH))
assert len(ids) == tokenizer.AT_ONCE, len(ids)
tokenizer.decode(text, ids[: tokenizer.WRITTEN // tokenizer.GROWTH // 2])
for call in (lambda: tokenizer.encode(text, "a" * 10_000), lambda: tokenizer.decode(text, ids)):
    try:
        call()
    except UserError as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)
"""


@pytest.mark.slow
def test_the_most_that_may_be_asked_for_takes_less_than_a_gigabyte():
    done = subprocess.run([sys.executable, "-c", WORST], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    reads, writes, mebibytes = done.stdout.splitlines()
    assert "too much of it" in reads
    assert "wanted at most" in writes
    assert int(mebibytes) < 1024
