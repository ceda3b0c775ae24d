"""The HTML that notebooks show for an object."""

from xml.etree import ElementTree

import numpy as np

from minidnn import nn, optim
from minidnn.training import History, Report, capture


def parsed(thing):
    return ElementTree.fromstring(f"<div>{thing._repr_html_()}</div>".replace(" open>", ">"))


def test_a_model_is_its_summary_that_can_be_collapsed():
    model = nn.Sequential(nn.Dense(4, 3, name="<b>"), nn.Dense(3, 2, name="out"))
    [details] = parsed(model)
    [head, table] = details
    assert (details.tag, head.text) == ("details", "Sequential: 23 parameters")  # 4 * 3 + 3 + 3 * 2 + 2
    assert table.text == str(model.summary()) and "<b>" in table.text and "(n, 2)" in table.text


def test_showing_a_model_does_not_run_layers_of_the_users_own():
    class Own(nn.Module):
        def __init__(self):
            self.n_in = 3

        def forward(self, x):
            raise AssertionError("it ran")

    model = nn.Sequential(Own())
    assert parsed(model)[0][1].text == repr(model)


def test_a_program_is_its_text():
    model = nn.Sequential(nn.Dense(4, 3, name="h"))
    optimizer = optim.SGD(model.parameters(), 0.1)

    def step(x, y):
        loss = nn.softmax_cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    x, y = np.zeros((2, 4), np.float32), np.array([0, 1])
    program = capture(step, x, y).program
    assert parsed(program)[0].text == str(program) and "<-" in str(program)


def test_a_report_is_its_text():
    shown = Report("classes", ["<b>", "cat"], np.array([[0.5, 0.25, 1 / 3, 4.0], [1.0, 0.5, 2 / 3, 2.0]]))
    assert parsed(shown)[0].text == str(shown) and "<b>" in str(shown)


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
