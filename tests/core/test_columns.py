"""Tables as text."""

from minidnn.columns import columns, markdown


def test_text_is_aligned_left_and_numbers_right():
    rows = [("layer", "size", "kind"), ("a", "1,000", "dense"), ("longest", "7", "")]
    assert columns(rows, left=(0, 2)) == "layer     size  kind\na        1,000  dense\nlongest      7"


def test_a_table_without_rows_has_only_headings():
    assert columns([("layer", "size")]) == "layer  size"
    assert columns([]) == ""


def test_markdown():
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
