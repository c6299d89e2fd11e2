"""Words and values of a sweep, as lines."""

from textgan_lit.report.page import converter
from textgan_lit.report.parallel import parallel


def test_every_run_is_a_line_and_every_word_stands_on_its_axis_once():
    seen = parallel(
        "name", "title", ["lr", "reward"], [["0.1", "b"], ["0.3", "a"], ["0.1", "a"]], "goal", [1.0, 2.0, 3.0]
    )
    values = seen.spec["data"]["values"]
    assert [row["height"] for row in values if row["n"] == 0] == [0.0, 1.0, 0.0]
    words = [row["word"] for row in seen.spec["layer"][-1]["data"]["values"]]
    assert words == ["lr", "reward", "goal", "0.1", "0.3", "a", "b", "1.0000", "3.0000"]
    assert converter().vegalite_to_svg(seen.spec | {"width": 300}).count(">reward<") == 1


def test_more_axes_than_names_have_room_for_are_numbered_and_named_in_the_note():
    keys = list("abcdef")
    seen = parallel("name", "title", keys, [["x"] * 6, ["y"] * 6], "goal", [1.0, 2.0])
    words = [row["word"] for row in seen.spec["layer"][-1]["data"]["values"]]
    assert words[:7] == ["1", "2", "3", "4", "5", "6", "7"]
    assert seen.note.endswith("The axes: 1 a, 2 b, 3 c, 4 d, 5 e, 6 f, 7 goal.")
    assert "The axes" not in parallel("name", "title", keys[:5], [["x"] * 5], "goal", [1.0]).note


def test_what_a_run_says_is_in_no_expression():
    seen = parallel("name", "title", ["alert(1)", "b"], [["x", "y"], ["x", "z"]], "goal", [1.0, 2.0])
    bare = seen.spec | {"data": None, "layer": [layer | {"data": None} for layer in seen.spec["layer"]]}
    assert "alert" not in str(bare)
