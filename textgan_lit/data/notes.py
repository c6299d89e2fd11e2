"""What a user should know of the sentences that were read, a few plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from textgan_lit.data.prepare import SPLITS, Recipe

MANY_UNKNOWN = 0.05  # share of the training tokens from where on something is said …
UNTAUGHT = 0.001  # … and of a held-out split's, where the training tokens have no <unk>


def notes(
    recipe: Recipe, facts: Mapping[str, Any], sizes: Mapping[str, int], versions: Mapping[str, str] | None
) -> Iterator[str]:
    """What was counted, what is doubtful, and which version of a published data set the files are."""
    if "suiting" in facts:
        yield f"data.tokenizer={facts['suiting']} suits this text; word, char, bpe or unigram can be asked for."
    unknown = ", ".join(f"{share:.2%} of {split}" for split, share in _unknown(facts).items())
    leaks = " and ".join(f"{count:,} of {split}" for split, count in facts["leaks"].items())
    yield f"<unk>: {unknown}. {facts['duplicates']:,} training sentences are repetitions; {leaks} are among them."
    if facts["blank"]:
        yield f"Blank lines left out: {facts['blank']:,}."
    if facts["broken"]:
        way = "kept" if recipe.keep_breaks else "blanks now, which data.tokenizer=char or bpe would keep as they are"
        yield f"Line breaks inside sentences: {way} (in {facts['broken']:,} sentences)."
    if facts["note"]:
        yield facts["note"]
    if recipe.tokenizer in ("word", "whitespace") and _whole(facts) > sizes["train"] / 2:
        yield (
            f"Warning: {_whole(facts):,} of {sizes['train']:,} training sentences are of one token each, as where a "
            "language is written without blanks. Give data.tokenizer=char, or bpe."
        )
    else:
        yield from _tokens(recipe, facts)
    yield from _splits(recipe.source.hashes, facts, sizes)
    yield from _versions(recipe.source.hashes, versions)


def _whole(facts: Mapping[str, Any]) -> int:
    """How many training sentences are of one token."""
    return sum(facts["lengths"]["train"][1:2])


def _unknown(facts: Mapping[str, Any]) -> dict[str, float]:
    return {split: facts["unknown"][split] / max(1, facts["tokens"][split]) for split in SPLITS}


def _tokens(recipe: Recipe, facts: Mapping[str, Any]) -> Iterator[str]:
    """Many <unk>, or some in held-out tokens where no training token is: likelihood teaches that it never comes."""
    tokenizer, rare, many = recipe.tokenizer, facts["rare"], MANY_UNKNOWN * facts["tokens"]["train"]
    if facts["unknown"]["train"] > many:
        yield "Many tokens are <unk>: a greater data.vocabulary, or data.tokenizer=bpe, leaves fewer."
    shares = _unknown(facts)
    met = [f"{shares[split]:.2%} of {split}'s tokens" for split in ("valid", "test") if shares[split] >= UNTAUGHT]
    if met and not facts["unknown"]["train"]:
        way = "another data.tokenizer"
        if tokenizer in ("word", "whitespace", "char") and 0 < rare <= many:
            way = f"data.min_count={recipe.min_count + 1}, so that the rarest training tokens are <unk>, too"
        elif tokenizer in ("word", "whitespace", "char"):
            shorter = "" if tokenizer == "char" else ", or data.tokenizer=bpe or char, whose tokens come more often"
            way = f"more sentences{shorter}"
        yield (
            f"Warning: {' and '.join(met)} are <unk>, none of train's, so a generator learns that <unk> never comes, "
            f"and its NLL of held-out sentences says so. Give {way}."
        )


def _splits(hashes: Mapping[str, list[str]], facts: Mapping[str, Any], sizes: Mapping[str, int]) -> Iterator[str]:
    for split in ("valid", "test"):
        if hashes.get(split) == hashes["train"]:
            yield f"Warning: the {split} file is the training file, so its numbers say nothing of new sentences."
        elif facts["leaks"][split] == sizes[split]:
            yield f"Warning: every {split} sentence is a training sentence, so its numbers say nothing of new ones."


def _versions(hashes: Mapping[str, list[str]], known: Mapping[str, str] | None) -> Iterator[str]:
    for split, some in hashes.items() if known is not None else ():
        for digest in some:
            named = next((said for start, said in known.items() if digest.startswith(start)), None)
            yield f"{split}: {named or 'no version that is known here'} (sha256 {digest[:12]}…)."
