"""The playground without a browser: settings, runs, the server."""

import http.client
import json
import threading
from urllib.parse import parse_qsl

import numpy as np
import pytest

from minidnn import optim
from minidnn.activations import ACTIVATIONS
from minidnn.cli import main
from minidnn.nn.initializers import INITIALIZERS
from minidnn.playground import Server, record
from minidnn.playground import points as drawn
from minidnn.playground.digits import Digits
from minidnn.playground.inside import inside
from minidnn.playground.learner import Learner
from minidnn.playground.presets import PRESETS
from minidnn.playground.race import SURFACES, race
from minidnn.playground.run import Control, Controls
from minidnn.playground.server import serve_in_thread, stream_points
from minidnn.playground.settings import OPTIMIZERS, SCHEDULES, Settings, both, choices, defaults, parse
from minidnn.random import Generator


@pytest.fixture
def server():
    with Server() as server:
        serve_in_thread(server)
        yield server
        server.shutdown()


def ask(server, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response, answer


class Stream:
    """Server-sent events."""

    def __init__(self, server, path):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
        self.connection.request("GET", path)
        self.response = self.connection.getresponse()

    def __iter__(self):
        for line in self.response:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def close(self):
        self.response.close()
        self.connection.close()


@pytest.mark.parametrize("kind", [*drawn.CLASSIFICATION, *drawn.REGRESSION])
def test_points(kind):
    make = (drawn.CLASSIFICATION | drawn.REGRESSION)[kind]
    x, y = make(Generator(1), 200, 0.0)
    assert x.shape == (200, 2) and x.dtype == np.float32 and np.abs(x).max() <= 1.05
    if kind in drawn.CLASSIFICATION:
        assert set(y.tolist()) == {0, 1} and abs(y.mean() - 0.5) < 0.1
    else:
        assert y.dtype == np.float32 and np.abs(y).max() <= 1.01
    assert (make(Generator(1), 200, 0.0)[0] == x).all()


def test_choices_come_from_the_tables():
    assert set(choices()["activation"]) == set(ACTIVATIONS) and set(choices()["initializer"]) == set(INITIALIZERS)
    classes = {n for n in optim.__all__ if isinstance(getattr(optim, n), type)} - {"Optimizer"}
    assert classes <= set(OPTIMIZERS)
    assert parse(defaults() | {"points": ""}) == Settings()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns_a_plane(optimizer):
    settings = Settings(task="regression", data="plane", noise=0.0, optimizer=optimizer, lr=0.02, hidden=(8,))
    learner = Learner(settings)
    before = learner.frame()["train_loss"]
    learner.advance(60)
    assert learner.frame()["train_loss"] < before


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_and_option_runs(schedule):
    settings = Settings(
        schedule=schedule, batch_norm=True, dropout=0.2, l1=1e-4, l2=1e-4, max_norm=2.0, skip=True, hidden=(8, 8, 4)
    )
    learner = Learner(settings)
    learner.advance(5)
    frame = learner.frame()
    assert frame["step"] == 5 and [len(units) for units in frame["units"]] == [8, 8, 4]
    assert [np.shape(w) for w in frame["weights"]] == [(2, 8), (8, 8), (8, 4), (4, 2)]


def test_equal_settings_give_equal_frames_and_a_frame_changes_nothing():
    one, other = Learner(Settings(dropout=0.3)), Learner(Settings(dropout=0.3))
    for _ in range(4):
        one.advance(5)
        one.frame()
    other.advance(20)
    assert json.dumps(one.frame()) == json.dumps(other.frame())


def test_two_settings_start_equal_and_diverge():
    control = Control()
    stream = stream_points({"b.lr": "0.5"}, control)
    next(stream)
    first, later = next(stream)["runs"], next(stream)["runs"]
    assert first[0]["weights"] == first[1]["weights"] and first[0]["step"] == first[1]["step"] == 0
    assert later[0]["step"] == later[1]["step"] == 5 and later[0]["weights"] != later[1]["weights"]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p["name"])
def test_presets_run(preset):
    stream = stream_points(dict(parse_qsl(preset["settings"])), Control())
    assert len(next(stream)["points"]) == len(both(dict(parse_qsl(preset["settings"]))))
    next(stream)
    assert next(stream)["runs"][0]["step"] == 5


def test_infinite_losses_become_none():
    learner = Learner(Settings(optimizer="SGD", lr=100.0, task="regression", data="hills", activation="relu"))
    learner.advance(100)
    assert learner.frame()["train_loss"] is None
    json.dumps(learner.frame(), allow_nan=False)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"optimizer": "Adm"}, "optimizer is 'Adm', must be one of SGD"),
        ({"lr": "much"}, "lr is 'much', must be a number"),
        ({"lr": "nan"}, r"lr is nan, must be in \[0, 100\]"),
        ({"hidden": "16,99"}, r"hidden is '16,99', must be up to 8 numbers of units in \[1, 32\]"),
        ({"data": "hills"}, "data is 'hills', must be spirals"),
        ({"data": "own", "points": "0,0,1"}, "fewer than 2 points"),
        ({"points": "0,0"}, "points has '0,0', must be x,y,class"),
        ({"points": "0,9,1"}, "must be in"),
        ({"b.seed": "-1"}, r"seed is -1, must be in"),
    ],
)
def test_invalid_settings_are_refused(query, message):
    with pytest.raises(ValueError, match=message):
        both(query)


def test_control():
    control = Control(paused=True)
    assert control.next(0.0) == 0
    control.command("step")
    assert control.next(0.0) == 1 and control.next(0.0) == 0
    control.command("speed 7")
    control.command("resume")
    assert control.next(0.0) == 7
    control.command("pause")
    assert control.next(0.0) == 0
    control.command("stop")
    assert control.stopped and control.next(10.0) == 0
    for wrong in ("fly", "speed 0", "speed x"):
        with pytest.raises(ValueError, match="the command is"):
            control.command(wrong)


def test_a_new_run_ends_the_previous_one():
    controls, one, two = Controls(), Control(), Control()
    controls.begin("me", one)
    controls.begin("me", two)
    assert one.stopped and not two.stopped and controls.find("me") is two
    controls.end("me", one)
    assert len(controls) == 1
    controls.end("me", two)
    assert len(controls) == 0


@pytest.mark.parametrize("surface", SURFACES)
def test_races(surface):
    least = SURFACES[surface].least
    answer = race({"surface": surface, "steps": "50"})
    assert set(answer["paths"]) == set(OPTIMIZERS)
    for path in answer["paths"].values():
        assert path[0][:2] == [round(v, 4) for v in SURFACES[surface].start]
    gradient = [
        (SURFACES[surface].height(least[0] + dx, least[1] + dy, 10) - SURFACES[surface].height(*least, 10)) / 1e-4
        for dx, dy in ((1e-4, 0), (0, 1e-4))
    ]
    assert np.abs(gradient).max() < 0.1
    json.dumps(answer, allow_nan=False)


def test_the_race_follows_the_formula():
    path = race({"surface": "bowl", "condition": "4", "lr": "0.1", "momentum": "0.5", "steps": "3"})["paths"]
    p, v = np.array(SURFACES["bowl"].start), 0.0
    for point in path["Momentum"][1:]:
        v = 0.5 * v + p * np.array([1, 4])
        p = p - 0.1 * v
        assert np.allclose(point[:2], p, atol=1e-4)
    with pytest.raises(ValueError, match="momentum is '1', must be a number in"):
        race({"momentum": "1"})
    with pytest.raises(ValueError, match="surface is 'hill'"):
        race({"surface": "hill"})


def test_digits_learn_and_answer():
    digits = Digits()
    digits.advance(150)
    frame = digits.frame()
    assert frame["accuracy"] > 0.85 and np.sum(frame["confusion"]) == 2000
    assert len(frame["filters"]) == 24 and all(w["label"] != w["guess"] for w in frame["wrong"])
    picture = (255 * digits.test.images[0]).astype(np.uint8).tobytes()
    answer = digits.answer(picture)
    assert abs(sum(answer["probabilities"]) - 1) < 1e-3 and answer["microseconds"] > 0
    logits = digits.model(digits.test.images[:1]).numpy()
    assert int(np.argmax(answer["probabilities"])) == int(logits.argmax())
    with pytest.raises(ValueError, match="must have 784"):
        digits.answer(b"123")


def test_inside_a_step():
    answer = inside({"optimizer": "Adam"})
    names = [row["kernel"] for row in answer["rows"]]
    assert "adam_step" in names and set(answer["kernels"]) == set(names)
    assert sum(row["share"] for row in answer["rows"]) == pytest.approx(1, abs=0.01)
    with pytest.raises(ValueError, match="optimizer is 'x'"):
        inside({"optimizer": "x"})


def test_pages_and_files(server):
    for path, kind in (("/", "text/html"), ("/style.css", "text/css"), ("/charts.js", "text/javascript")):
        response, body = ask(server, path)
        assert response.status == 200 and response.headers["Content-Type"].startswith(kind) and body
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    for path in ("/nothing.js", "/../server.py", "/page/index.html", "/%2e%2e/server.py", "//etc/passwd"):
        assert ask(server, path)[0].status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_pages_are_refused(server, headers, method):
    assert ask(server, "/choices", method, b"" if method == "POST" else None, **headers)[0].status == 403


def test_only_the_loopback_interface(server):
    assert server.server_address[0] == "127.0.0.1"


def test_every_optimizer_of_the_page_is_explained(server):
    choices = json.loads(ask(server, "/choices")[1])
    assert set(choices["kernels"]) == set(choices["choices"]["optimizer"])
    for kernel in choices["kernels"].values():
        assert ask(server, f"/explain?name={kernel}")[0].status == 200


def test_invalid_requests_are_errors(server):
    for path in ("/stream?lr=x", "/digits?seed=x", "/race?surface=x", "/inside?optimizer=x", "/explain?name=x"):
        response, body = ask(server, path)
        assert response.status == 400 and "error" in json.loads(body), path
    assert ask(server, "/answer?client=nobody", "POST", b"x")[0].status == 400
    assert ask(server, "/control?client=nobody", "POST", b"step")[0].status == 200
    assert ask(server, "/control", "POST", b"x" * 5000)[0].status == 413
    assert ask(server, "/elsewhere", "POST", b"")[0].status == 404


def test_a_run_follows_commands_and_ends_with_its_page(server):
    stream = Stream(server, "/stream?client=me&paused=1")
    frames = iter(stream)
    assert next(frames)["points"] and next(frames)["runs"][0]["step"] == 0
    ask(server, "/control?client=me", "POST", b"step")
    assert next(frames)["runs"][0]["step"] == 1
    ask(server, "/control?client=me", "POST", b"step")
    assert next(frames)["runs"][0]["step"] == 2
    assert len(server.controls) == 1
    stream.close()
    ended = threading.Event()
    for _ in range(200):
        if not len(server.controls):
            ended.set()
            break
        threading.Event().wait(0.05)
    assert ended.is_set()


def test_two_clients_do_not_disturb_each_other(server):
    streams = [Stream(server, f"/stream?client={name}&speed=5&dropout=0.2") for name in "ab"]
    both_runs = [iter(stream) for stream in streams]
    last = [[next(frames) for _ in range(12)][-1] for frames in both_runs]
    assert json.dumps(last[0]) == json.dumps(last[1]) and len(server.controls) == 2
    for stream in streams:
        stream.close()


def test_a_second_run_of_a_client_ends_the_first(server):
    first = Stream(server, "/stream?client=me&paused=1")
    next(iter(first))
    second = Stream(server, "/stream?client=me&paused=1")
    next(iter(second))
    assert first.response.read().endswith(b"event: done\ndata: {}\n\n")
    second.close()


def test_a_recording_contains_everything(tmp_path):
    record(tmp_path / "run.html", "data=moons&b.optimizer=SGD", frames=4, speed=3)
    page = (tmp_path / "run.html").read_text()
    assert (
        '<link rel="stylesheet"' not in page and "<script src" not in page and "http" not in page.split("<script>")[0]
    )
    text = page.split("window.RECORDING = ")[1].split(";</script>")[0]
    recording = json.loads(text)
    assert [frame["runs"][0]["step"] for frame in recording["frames"][1:]] == [0, 3, 6, 9]
    assert len(recording["frames"][0]["points"]) == 2
    with pytest.raises(ValueError, match="frames is 0"):
        record(tmp_path / "x.html", frames=0)
    with pytest.raises(ValueError, match="optimizer is 'x'"):
        record(tmp_path / "x.html", "optimizer=x")


def test_the_command_records(tmp_path, capsys):
    assert main(["playground", "--record", str(tmp_path / "a.html"), "--frames", "2"]) == 0
    assert (tmp_path / "a.html").stat().st_size > 10_000
    assert main(["playground", "--settings", "lr=1"]) == 2
    with pytest.raises(SystemExit):
        main(["playground", "--port", "99999"])
