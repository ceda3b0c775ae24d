"""What notebooks show of an object."""

from xml.etree import ElementTree

from minidnn.training import History


def test_a_history_is_a_table_with_a_row_for_each_epoch():
    history = History()
    history.rows = [{"epoch": 1, "loss": 0.123456}, {"epoch": 2, "loss": 0.05, "extra": None}]
    [head, *rows] = ElementTree.fromstring(history._repr_html_())
    assert [cell.text for cell in head] == ["epoch", "loss", "extra"]
    assert [[cell.text or "" for cell in row] for row in rows] == [["1", "0.1235", ""], ["2", "0.05", ""]]


def test_names_and_reasons_in_a_history_are_escaped():
    history = History()
    history.rows = [{"<script>": "<b>&"}]
    history.stopped = "<i>"
    page = ElementTree.fromstring(f"<div>{history._repr_html_()}</div>")
    assert {part.tag for part in page.iter()} == {"div", "table", "tr", "th", "td", "p"}
    assert [part.text for part in page.iter() if part.text] == ["<script>", "<b>&", "stopped: <i>"]


def test_an_empty_history_is_shown_too():
    assert ElementTree.fromstring(History()._repr_html_()).tag == "table"
