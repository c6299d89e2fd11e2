"""The closing table's lines, and what is said of a JSD that is saturated."""

from textgan_lit.run.closing_table import lines

FAR = {"truth/jsd": 0.5, "truth/jsd_se": 0.01, "truth/kl_pg": 2.0, "truth/kl_pg_se": 0.1, "truth/horizon": 5.25}
SATURATED = FAR | {"truth/jsd": 0.6971, "truth/jsd_se": 0.004, "truth/horizon": 2.5}


def test_a_line_has_a_cell_for_every_column():
    names, found = lines({"one": FAR, "other": {"truth/jsd": 0.25, "truth/jsd_se": 0.0}})
    assert names == ["one", "other"]
    assert found == [
        ["true JSD", "0.5000 ± 0.0100", "0.2500 ± 0"],
        ["KL(P‖G)", "2.0000 ± 0.1000", "–"],
        ["horizon, tokens", "5.2500", "–"],
    ]


def test_where_a_jsd_is_saturated_the_table_says_so_and_begins_with_the_horizon():
    _, found = lines({"one": FAR, "other": SATURATED})
    assert found == [
        ["horizon, tokens", "5.2500", "2.5000"],
        ["true JSD", "0.5000 ± 0.0100", "saturated (0.6971 ± 0.0040)"],
        ["KL(P‖G)", "2.0000 ± 0.1000", "2.0000 ± 0.1000"],
    ]


def test_two_columns_share_the_lines_of_their_proxies_beside_real_texts_own():
    row = {"quality/bleu4_9": 0.75, "quality/bleu4_9_real": 0.5, "truth/valid_any": 1.0}
    names, found = lines({"one": row, "other": row | {"quality/bleu2_9": 0.5}})
    assert names == ["one", "other", "real text"]
    assert found == [["share valid any", "1.0000", "1.0000", "–"], ["bleu4 9", "0.7500", "0.7500", "0.5000"]]
    assert lines({"one": row})[0] == ["one"]


def test_where_p_is_not_known_the_table_begins_with_what_a_fresh_critic_proves():
    row = {
        "truth/nll_test": 2.0,
        "quality/bleu2_9": 0.5,
        "quality/fresh_bound_9": 0.1,
        "quality/fresh_bound_9_se": 0.01,
    }
    assert [title for title, *_ in lines({"one": row, "other": row})[1]] == ["fresh bound 9", "NLL_test", "bleu2 9"]
    known = row | FAR
    assert next(title for title, *_ in lines({"one": known, "other": known})[1]) == "true JSD"
