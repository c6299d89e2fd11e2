"""Passwords and keys have no place in a configuration: it is written to the disk, into checkpoints and into W&B.

They are the environment's, where those who need them look: WANDB_API_KEY, HF_TOKEN, PGPASSWORD. A configuration that
holds one is refused before anything is written, and what an error quotes is masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from textgan_lit.errors import UserError, shown

# As their makers spell them: Hugging Face, GitHub, GitLab, OpenAI and its like, AWS, Google, Slack, W&B; private keys.
SPELLED = (
    r"\b(?:hf_[A-Za-z0-9]{30,}|gh[opsur]_[A-Za-z0-9]{36,}|github_pat_\w{40,}|glpat-[\w-]{20,}"
    r"|sk-[\w-]{0,80}[A-Za-z0-9]{20}|A[KS]IA[A-Z0-9]{16}|AIza[\w-]{35}|xox[a-z]-[\w-]{10,}|wandb_v\d_\w{40,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
# Not a secret: a variable's name, where its value stands elsewhere, nothing at all, or what is masked already.
NOT = r"(?!\$\{|\*\*\*)"
NAMED = (  # what says so by its name, such as my.api_key=…, "password": … or ?password=…
    r"""(?i:(?:password|passwd|passphrase|secret|credentials?|(?:api|access|private|secret|auth)_?key"""
    rf"""|(?:api|access|auth|hf)_?token)(?:["']\s*:\s*|["']?\s*=\s*|:)["']?{NOT}(?!\$[A-Z_]+\b|(?:null|none|true|false)\b)"""
    r"""[^\s"',;&{}\[\]]+)"""
)
BARE = (
    r"\b(?:\w*_)?(?:key|token)\s*[:=]\s*(?:[0-9a-f]{32,}|(?=\w*[0-9])(?=\w*[a-z])(?=\w*[A-Z])\w{24,})\b"  # or no secret
)
OF_URL = rf"\b[A-Za-z][\w+.-]{{0,30}}://[^\s/@:]*:{NOT}[^\s@]{{1,200}}(?=@)"
FOUND = re.compile("|".join((NAMED, BARE, OF_URL, SPELLED)))
BEFORE = re.compile(r"""(?:.*?(?:://[^:]*:|[:=]\s*["']?))?""", re.DOTALL)  # of what was found: not yet the secret
WAY = (
    "Give it as an environment variable: W&B reads WANDB_API_KEY, the Hub HF_TOKEN, a PostgreSQL database PGPASSWORD "
    "(docs/sweeps.md)."
)


def refuse(config: Any) -> None:
    """Refuses a configuration, as plain containers, that holds a password or a key.

    Raises:
        UserError: with the setting's name, and without its value.
    """
    for where, text in _texts(config, ""):
        if FOUND.search(text):
            raise UserError(
                f"{shown(where)} holds a password or a key, and a configuration is written to disk and uploaded. {WAY}"
            )


def masked(text: str) -> str:
    """``text`` with *** in place of every password and key in it.

    >>> masked("postgresql://me:1234@host/db, api_key=1234")
    'postgresql://me:***@host/db, api_key=***'
    """
    return FOUND.sub(lambda found: f"{BEFORE.match(found[0])[0]}***", text)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every value with its place, written as key=value, so that its name is seen."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{number}]")
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield where, f"{where.rpartition('.')[2].partition('[')[0]}={value}"
