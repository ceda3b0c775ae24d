"""What the command line prints: one line for every error, help in words, no escape sequences."""

import argparse
import gzip
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest

import minidnn
from minidnn import cli, data, nn
from minidnn.cli import config, main, terminal
from minidnn.cli.epochs import columns

PYTHON = (sys.executable, "-P", "-m", "minidnn")


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(in_folder):
    minidnn.save(nn.Sequential(nn.Dense(4, 3, name="outputs")), "model.safetensors")
    return "model.safetensors"


# Errors


def bomb(width, height):
    """A PNG of a few bytes whose header declares this size."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def zipped(name="x.npy"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"\x93NUMPY")
    return file.getvalue()


def npy(header):
    head = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n%%EndComments\n(ran) print\nshowpage\n%%EOF\n"
FILES = {
    "empty.npy": b"",
    "zip.npy": zipped(),
    "npz.npy": zipped("arr_0.npy"),
    "bad.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1"),
    "null.npy": npy("\0" * 20),
    "code.npy": npy("{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (1,)}"),
    "huge.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999, 4)}"),
    "deep.npy": npy("[" * 110),
    "text.csv": b"a,b\n1,2\n",
    "bytes.csv": b"\xff\xfe\0",
    "zip.csv": zipped(),
    "bomb.png": bomb(30_000, 30_000),
    "huge.png": bomb(2**31 - 1, 2**31 - 1),
    "zero.png": bomb(0, 0),
    "cut.png": bomb(2, 2)[:40],
    "eps.png": EPS,
    "eps.eps": EPS,
    "empty.jpg": b"",
    "bad.idx": b"\0\0\x08\xff",
    "huge.idx": b"\0\0\x0e\x04" + b"\xff" * 16,
    "bomb.gz": gzip.compress(b"\0\0\x08\x01" + (200 << 20).to_bytes(4, "big") + bytes(100 << 20), mtime=0),
    "cut.gz": gzip.compress(bytes(1000), mtime=0)[:20],
    "name\x1b[31m\n.npy": b"no",
    "model.bin": (2**63).to_bytes(8, "little"),
    "weights.bin": b"",
}


@pytest.mark.parametrize("command", ["predict", "evaluate", "train", "model", "compile"])
@pytest.mark.parametrize("name", FILES)
def test_an_invalid_file_is_reported_in_one_line(model, capfd, name, command):
    pytest.importorskip("PIL.Image")
    with open(os.fsencode(name), "wb") as file:
        file.write(FILES[name])
    arguments = {
        "predict": ["predict", model, name],
        "evaluate": ["evaluate", model, name, "--labels", name],
        "train": ["train", "--data", name, "--labels", name] if not name.endswith("csv") else ["train", "--data", name],
        "model": ["predict", name, "x.npy"],
        "compile": ["compile", model, "--int8", "--calibration", name],
    }[command]
    if (code := main(arguments)) == 0:
        pytest.fail("no error")
    out, err = capfd.readouterr()
    assert code in (1, 2) and out == "" and err.count("\n") == 1 and len(err) < 1000, err
    assert err.startswith(f"minidnn {arguments[0]}: ") and err.rstrip("\n").isprintable()


def test_long_content_of_a_file_is_shortened(capsys, in_folder):
    (in_folder / "long.csv").write_text(f"a,b\n{'x' * 100_000},1\n")
    assert main(["train", "--data", "long.csv"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("minidnn train: load_csv: long.csv, line 2: column 'a' has 'xxx") and len(err) < 2100
    assert err.endswith("--ignore 'a' if it is text\n")


def test_eps_never_reaches_ghostscript(model, monkeypatch, in_folder):
    """Under any file name: a program called gs, first in the path, would create a file."""
    pytest.importorskip("PIL.Image")
    trace, program = in_folder / "trace", in_folder / "gs"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{in_folder}:{os.environ['PATH']}")
    for suffix in (*data.images.SUFFIXES, ".eps", ".ps", ""):
        (in_folder / f"x{suffix}").write_bytes(EPS)
        assert main(["predict", model, f"x{suffix}"]) == 2
    assert not trace.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--no-such"], "unrecognized arguments: --no-such (see minidnn --help)"),
        (["train", "--epochs", "\x1b[31m"], r"must be an integer of at least 1, got '\x1b[31m'"),
        (["no-such"], "invalid choice: 'no-such'"),
        ([], "the following arguments are required: COMMAND"),
        (["predict"], "the following arguments are required: model, FILE"),
    ],
)
def test_bad_arguments_are_one_line_too(capsys, arguments, message):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    out, err = capsys.readouterr()
    assert exit.value.code == 2 and out == "" and err.count("\n") == 1 and message in err.replace("\\\\", "\\")


def test_a_run_that_fails_is_one_line_and_exit_code_1(capsys):
    code = main(["train", "--data", "digits", "--lr", "1e30", "--epochs", "2", "--hidden", "8", "--optimizer", "sgd"])
    err = capsys.readouterr().err.splitlines()
    assert code == 1 and err[-1].startswith("minidnn train: fit: ") and "Try a smaller learning rate" in err[-1]
    assert sum(line.startswith("minidnn") for line in err) == 1 and "Traceback" not in "".join(err)


ERRORS = [
    ValueError("a\nb"), MemoryError(), MemoryError("3 GB"), RecursionError("deep"), KeyError("k"), ZeroDivisionError(),
    AssertionError(), OSError(28, "No space left on device"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    KeyboardInterrupt(), BrokenPipeError(),
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_every_exception_is_one_line(monkeypatch, capfd, error):
    def fails(arguments):
        raise error

    monkeypatch.setattr(config, "run", fails)
    monkeypatch.setattr(terminal, "silence_stdout", lambda: None)
    monkeypatch.setattr(cli, "silence_stdout", lambda: None)
    code = main(["config"])
    err = capfd.readouterr().err
    if isinstance(error, BrokenPipeError):
        assert code == 141 and err == ""
    else:
        assert code == {KeyboardInterrupt: 130, ValueError: 2, OSError: 2, UnicodeDecodeError: 2}.get(type(error), 1)
        assert err.startswith("minidnn config: ") and err.count("\n") == 1 and len(err) > len("minidnn config: \n")
    monkeypatch.setenv("MINIDNN_TRACEBACK", "1")
    if isinstance(error, Exception) and not isinstance(error, BrokenPipeError):
        with pytest.raises(type(error)):
            main(["config"])


@pytest.mark.skipif(os.name == "nt", reason="pipes and signals of POSIX")
@pytest.mark.parametrize("arguments", [["config"], ["train", "--help"], ["zoo", "show", "mnist-relu"]])
def test_a_broken_pipe_prints_nothing(arguments):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*PYTHON, *arguments], stdout=write, stderr=subprocess.PIPE, timeout=120)
    os.close(write)
    assert done.returncode in (0, 141) and done.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PYTHON, "config"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr == "minidnn config: [Errno 28] No space left on device\n"


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
@pytest.mark.parametrize("arguments", [["predict", "nowhere", "x"], ["nonsense"], ["zoo", "search", "nonsense"]])
def test_errors_never_reach_standard_output(arguments):
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh", *PYTHON, *arguments]
    assert subprocess.run(closed, stdout=subprocess.PIPE, timeout=120).stdout == b""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("where", ["before fit", "bench", "within fit"])
def test_ctrl_c_prints_one_message(model, where):
    """The program sends the signal to itself."""
    target = {"before fit": "minidnn.cli.datasets.load", "bench": "minidnn.deploy.InferenceModel.predict"}
    script = f"""
import os, signal, sys
import minidnn
from minidnn import training
from minidnn.cli import main, datasets
signal.signal(signal.SIGINT, signal.default_int_handler)
def interrupt(*arguments, **options):
    os.kill(os.getpid(), signal.SIGINT)
class Stop(training.Checkpoint):
    def on_step_end(self, run):
        super().on_step_end(run)
        if run.step == 3: interrupt()
if {where!r} == "before fit": datasets.load = interrupt
elif {where!r} == "bench": minidnn.deploy.InferenceModel.predict = interrupt
else: training.Checkpoint = Stop
sys.exit(main(sys.argv[1:]))
"""
    compiled = main(["compile", model, "-o", "fast.mdnn"]) if where == "bench" else None
    assert compiled in (0, None)
    arguments = ["bench", "fast.mdnn"] if where == "bench" else ["train", "--data", "digits", "--hidden", "4"]
    done = subprocess.run([sys.executable, "-P", "-c", script, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130, done.stderr
    assert (done.stdout + done.stderr).count("interrupted") == 1 and "Traceback" not in done.stderr
    assert target.get(where) is None or done.stderr == f"minidnn {arguments[0]}: interrupted\n"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_is_one_line_while_the_program_is_loading():
    script = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupt:
    def find_spec(name, *rest):
        if name == "minidnn.cli.zoo": os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt)
from minidnn.cli import main
sys.exit(main(["config"]))
"""
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "minidnn: interrupted\n")


# Names from files

HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202ered\r\nname"


def test_names_from_files_are_escaped(capsys):
    meaning = data.Meaning("classification", HOSTILE, (HOSTILE, "b", "c"), tuple("abcd"))
    network = nn.Sequential(nn.Dense(4, 3, name=HOSTILE.replace(".", "")))
    minidnn.save(network, "model.safetensors", meaning=meaning)
    network[0].bias.data[0] = 9
    minidnn.save(network, "model.safetensors", meaning=meaning)
    np.save(f"x{HOSTILE}.npy", np.zeros((2, 4)))
    assert main(["predict", "model.safetensors", f"x{HOSTILE}.npy"]) == 0
    assert main(["compile", "model.safetensors", "-o", f"{HOSTILE}.mdnn"]) == 0
    assert main(["bench", f"{HOSTILE}.mdnn", "--seconds", "0.01", "--batch-sizes", "1"]) == 0
    assert main(["predict", "model.safetensors", f"x{HOSTILE}.npy", "--json"]) == 0
    main(["evaluate", "model.safetensors", f"x{HOSTILE}.npy", "--labels", f"x{HOSTILE}.npy"])
    main(["predict", f"x{HOSTILE}.npy", "x"])
    out, err = capsys.readouterr()
    assert all(c.isprintable() or c == "\n" for c in out + err)
    assert r"\x1b]0;owned\x07\x1b[31m\u202ered\r\nname" in out


@pytest.mark.parametrize(
    "meaning",
    [
        {"columns": list("abcde")},
        {"image_shape": [30_000, 30_000], "resized": True},
        {"mean": [0.0] * 3, "std": [1.0] * 3},
        {"columns": list("abc"), "source": [{"name": name} for name in "abc"]},
    ],
)
def test_a_meaning_of_other_inputs_than_the_models_is_refused(capsys, meaning):
    network = nn.Sequential(nn.Dense(4, 3, name="outputs"))
    minidnn.save(network, "model.safetensors", meaning=data.Meaning.from_json(meaning))
    for command in ("predict", "evaluate"):
        assert main([command, "model.safetensors", "x.png"]) == 2
        assert "inputs, but its model takes 4" in capsys.readouterr().err


@pytest.mark.parametrize("text", [HOSTILE, "\udcff", "\x9b31m", "a\u2028b", "plain é 漢字", "\ue000"])
def test_shown_text_is_printable_and_otherwise_unchanged(text):
    assert terminal.shown(text).isprintable() and terminal.shown(text).encode()
    assert (terminal.shown(text) == text) == text.isprintable()


# Help and widths


def parsers(parser, name="minidnn"):
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, part in action.choices.items():
                yield from parsers(part, f"{name} {word}")


def every_parser():
    made = terminal.Parser(prog="minidnn")
    subparsers = made.add_subparsers(metavar="COMMAND")
    for module in cli.subcommands():
        module.add(subparsers)
    return dict(parsers(made))


@pytest.mark.parametrize("name", every_parser())
def test_help_says_defaults_in_words(monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    parser = every_parser()[name]
    text = parser.format_help()
    assert "None" not in text and "False" not in text and "[]" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    for action in parser._actions:
        if action.option_strings and action.nargs != 0 and not action.required:
            words = parser._get_formatter()._expand_help(action)
            assert re.search(r"\(default: .+\)", words), (action.option_strings, words)


ROWS = {
    "classes": ["loss", "accuracy", "valid_loss", "valid_accuracy", "test_loss", "test_accuracy"],
    "regression": ["loss", "mae", "r2", "valid_loss", "valid_mae", "valid_r2"],
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_fits_the_terminal(kind, width):
    row = {"epoch": 1, "step": 10, "lr": 0.1, **dict.fromkeys(ROWS[kind], 0.5), "seconds": 1.0, "x" * 90: 1.0}
    names = columns(row, width)
    assert names[:3] == ["epoch", "lr", "loss"] and sum(max(len(name), 6) + 2 for name in names) - 2 <= width
    if width >= 80:
        assert set(ROWS[kind]) - {"test_loss"} <= set(names)


@pytest.mark.skipif(os.name == "nt", reason="pseudoterminals of POSIX")
def test_bar_and_table_fit_a_terminal_of_80_columns(in_folder):
    leader, follower = pty.openpty()
    import fcntl
    import termios

    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    arguments = ("train", "--data", "digits", "--epochs", "20", "--hidden", "8")
    process = subprocess.Popen([*PYTHON, *arguments], stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    printed = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # Linux' end of a pseudoterminal
            break
        if not chunk:
            break
        printed += chunk
    os.close(leader)
    assert process.wait(timeout=60) == 0
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", printed.decode()))
    bars = [line for line in lines if re.match(r"(epoch \d+/\d+: )?\|", line)]
    table = [line for line in lines if re.match(r" +(epoch|\d+)  ", line)]
    assert len(table) == 21 and all(len(line) <= 80 for line in table)
    assert bars and all(len(line) <= 80 for line in bars)
    assert re.search(r"loss=\d\.\d{4}, valid_accuracy=\d\.\d{4}", bars[-1])  # not truncated


def test_remedies_are_options_of_the_command_line():
    line = terminal.one_line(ValueError("x; missing='mean' or ignore=['a b'], categories=[\"c\"] or task='regression'"))
    assert line == "x; --missing mean or --ignore 'a b', --category \"c\" or --task regression"


def test_the_last_line_is_the_next_command(capsys, in_folder):
    pytest.importorskip("matplotlib")
    assert main(["train", "--data", "digits", "--epochs", "1", "--hidden", "4", "--output", "a b"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"test accuracy \d+\.\d\d %; next: minidnn predict 'a b/model.safetensors' FILE", last)
    assert json.loads(json.dumps(last))
