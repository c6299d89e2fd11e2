"""A study's page begins with a summary whose numbers are its tables' own, and its long tables are folded."""

import re

import pytest

from studies import study, summary

PAGES = [*sorted((study.ROOT / "docs" / "studies").glob("*.md")), study.ROOT / "docs" / "reproduction.md"]
TEXT = """# Which?

| asked | answer | number |
|---|---|---|
| How much? | much | **…**<!-- Second :: a :: change -->, JSD **old**<!-- b :: JSD --> |

| arm | JSD | change |
|---|---|---|
| `a` | 🔴 0.1 ± 0.2 | +1 % (+1) |
| `b` | 🔴 0.3 | +2 % (+2) |

**Second**

| arm | change |
|---|---|
| `a` | -5 ± 3 % (-2 -8) |
ROWS"""


def long(rows: int) -> str:
    return TEXT.replace("ROWS", "".join(f"| `{number}` | - |\n" for number in range(rows - 1)))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_page_begins_with_at_most_five_rows_and_is_as_a_command_would_write_it(path):
    text = path.read_text()
    first, *others = summary.tables(text)
    assert first.head == ["asked", "answer", "number"]
    assert 0 < len(first.rows) <= 5
    assert text.split("\n\n")[1].startswith("| asked |")
    assert all(re.search(r"\d", row[2]) and "<!-- " in row[2] for row in first.rows)
    assert others
    assert summary.settled(text) == text


def test_a_summarys_numbers_are_those_of_the_tables_without_each_seeds_own():
    text = summary.settled(long(3))
    assert "**-5 ± 3 %**<!-- Second :: a :: change -->, JSD **0.3**<!-- b :: JSD -->" in text
    assert "**0.4**<!-- b :: JSD -->" in summary.settled(text.replace("| 🔴 0.3 |", "| 0.4 |"))
    with pytest.raises(study.StudyError, match="'c :: JSD'"):
        summary.settled(long(3).replace("<!-- b ::", "<!-- c ::"))


def test_a_long_table_is_folded_once_under_its_title():
    assert "<details>" not in summary.settled(long(8))
    text = summary.settled(long(9))
    assert text.count("<details><summary>Second (9 rows)</summary>\n\n| arm | change |") == 1
    assert "**Second**" not in text
    assert text.endswith("| `7` | - |\n\n</details>\n")
    assert "**-5 ± 3 %**" in text
    assert summary.settled(text) == text
