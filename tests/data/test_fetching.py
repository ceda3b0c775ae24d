"""Downloads from a server that is good, corrupt, truncated, redirecting, slow or lost."""

import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kit.server import serving

from minidnn.data.fetching import DownloadError, cache_folder, download

pytest.importorskip("pooch")

CONTENT = bytes(range(256)) * 1000
HASH = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        server.pages["/good"] = lambda request: request.ranged(CONTENT)
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "file.gz"


@pytest.fixture
def part(path):
    path.parent.mkdir()
    return path.with_name(f".{path.name}.{HASH[7:23]}.part")


def get(server, path, *pages, **options):
    return download([server.url(page) for page in pages], HASH, path, **{"timeout": 5, **options})


def files(path):
    """The files in the cache, without the lock."""
    return sorted(file.name for file in path.parent.iterdir() if not file.name.endswith(".lock"))


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_good_file_is_fetched_once(server, path, size):
    for _ in range(2):
        assert get(server, path, "/good", size=size) == path and path.read_bytes() == CONTENT
    assert server.log == [("/good", None)] and files(path) == ["file.gz"]


def test_every_notation_of_a_checksum(server, path):
    for known_hash in (HASH[7:], HASH.upper(), f"md5:{hashlib.md5(CONTENT).hexdigest()}"):
        assert download([server.url("/good")], known_hash, path).read_bytes() == CONTENT
    assert len(server.log) == 1


@pytest.mark.parametrize("bad", ["", "sha256:12", "md9:" + "0" * 32, "sha256:" + "g" * 64, "md5:" + "0" * 64])
def test_an_invalid_checksum_is_refused(server, path, bad):
    with pytest.raises(ValueError, match="known_hash is"):
        download([server.url("/good")], bad, path)
    assert not server.log and not path.parent.exists()


def test_a_corrupt_file_is_deleted_and_the_next_mirror_is_tried(server, path):
    server.pages["/corrupt"] = lambda request: request.ranged(CONTENT[:-1] + b"!")
    with pytest.raises(
        DownloadError, match=r"corrupt: another checksum.*put it at .*file\.gz \(checksum sha256:"
    ) as error:
        get(server, path, "/corrupt")
    assert str(path) in str(error.value) and files(path) == []
    assert get(server, path, "/corrupt", "/good").read_bytes() == CONTENT


def test_a_truncated_file_is_completed_from_another_mirror(server, path):
    # A complete response with a file that is too short: only its size differs from the right one.
    server.pages["/short"] = lambda request: request.ranged(CONTENT[:1000])
    with pytest.raises(DownloadError, match="has 1000 bytes, must have 256000"):
        get(server, path, "/short", size=len(CONTENT))
    with pytest.raises(DownloadError, match="another checksum"):
        get(server, path, "/short")
    assert files(path) == []

    def no_length(request):
        request.head(200, None)
        request.wfile.write(CONTENT[:1000])

    server.pages["/no-length"] = no_length
    assert get(server, path, "/no-length", "/good", size=len(CONTENT)).read_bytes() == CONTENT
    assert server.log[-1] == ("/good", "bytes=1000-")


def test_an_endless_file_is_given_up(server, path):
    def endless(request):
        request.head(200, None)
        while True:
            request.wfile.write(CONTENT)

    server.pages["/endless"] = endless
    with pytest.raises(DownloadError, match="sends more than 256000 bytes"):
        get(server, path, "/endless", size=len(CONTENT))
    assert sum(file.stat().st_size for file in path.parent.iterdir()) == 0


def test_a_limited_number_of_redirects_is_followed(server, path):
    server.pages["/moved"] = lambda request: request.head(302, 0, Location="/good")
    server.pages["/round"] = lambda request: request.head(302, 0, Location="/round")
    assert get(server, path, "/round", "/moved").read_bytes() == CONTENT
    path.unlink()
    with pytest.raises(DownloadError, match="TooManyRedirects"):
        get(server, path, "/round")


def stalling(server, sent):
    """A page that stops after this many bytes."""

    def page(request):
        request.head(200, len(CONTENT))
        request.wfile.write(CONTENT[:sent])
        request.wfile.flush()
        server.closing.wait()

    return page


def test_a_stalling_server_is_given_up_and_its_bytes_are_used(server, path):
    server.pages["/slow"] = stalling(server, 100_000)
    assert get(server, path, "/slow", "/good", timeout=0.2).read_bytes() == CONTENT
    path.unlink()


def test_a_connection_that_is_lost_repeatedly_is_resumed(server, path):
    server.pages["/vanishing"] = lambda request: request.ranged(CONTENT, most=100_000)
    assert get(server, path, "/vanishing").read_bytes() == CONTENT
    assert server.log == [("/vanishing", None), ("/vanishing", "bytes=100000-"), ("/vanishing", "bytes=200000-")]


def test_a_server_without_ranges_restarts_the_download(server, path, part):
    part.write_bytes(CONTENT[:5000])

    def plain(request):
        request.head(200, len(CONTENT))
        request.wfile.write(CONTENT)

    server.pages["/plain"] = plain
    assert get(server, path, "/plain").read_bytes() == CONTENT
    assert server.log == [("/plain", "bytes=5000-")]


def test_a_later_process_resumes(server, path, part):
    part.write_bytes(CONTENT[:5000])
    assert get(server, path, "/good").read_bytes() == CONTENT
    assert server.log == [("/good", "bytes=5000-")] and files(path) == ["file.gz"]


def test_the_download_of_a_killed_process_is_resumed(server, path):
    server.pages["/slow"] = stalling(server, 200_000)
    code = "import sys; from minidnn.data.fetching import download; download(sys.argv[1:2], *sys.argv[2:])"
    arguments = [sys.executable, "-P", "-c", code, server.url("/slow"), HASH, str(path)]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        part = path.with_name(f".{path.name}.{HASH[7:23]}.part")
        for _ in range(1000):
            if part.exists() and part.stat().st_size:
                break
            server.closing.wait(0.01)
        process.kill()
    kept = part.stat().st_size
    assert 0 < kept <= 200_000 and get(server, path, "/good").read_bytes() == CONTENT
    assert server.log[-1] == ("/good", f"bytes={kept}-")


def test_a_bar_is_shown_only_on_a_terminal(server, path, part, monkeypatch, capsys):
    part.write_bytes(CONTENT[:128_000])
    for terminal, progress in ((False, True), (True, False), (True, True)):
        path.unlink(missing_ok=True)
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        get(server, path, "/good", progress=progress)
        assert ("256k/256k" in capsys.readouterr().err) == (terminal and progress)


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_existing_bytes_are_not_requested_again(server, path, part, size):
    part.write_bytes(CONTENT)
    assert get(server, path, "/good", size=size).read_bytes() == CONTENT
    assert server.log == ([] if size else [("/good", "bytes=256000-")])


@pytest.mark.parametrize("left", [b"x" * 5000, b"x" * len(CONTENT), b"x" * 300_000])
@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_wrong_partial_file_is_deleted(server, path, part, left, size):
    part.write_bytes(left)
    assert get(server, path, "/good", size=size).read_bytes() == CONTENT
    assert files(path) == ["file.gz"]


def test_a_server_that_answers_another_range(server, path, part):
    part.write_bytes(CONTENT[:5000])

    def other(request):
        if request.headers["Range"]:
            request.head(206, 10, Content_Range=f"bytes 7-16/{len(CONTENT)}")
            request.wfile.write(CONTENT[7:17])
        else:
            request.ranged(CONTENT)

    server.pages["/other"] = other
    assert get(server, path, "/other").read_bytes() == CONTENT


def test_content_encoding_does_not_decompress_the_file(server, path):
    def encoded(request):
        request.head(200, len(CONTENT), Content_Encoding="gzip")
        request.wfile.write(CONTENT)

    server.pages["/encoded"] = encoded
    assert get(server, path, "/encoded").read_bytes() == CONTENT


def test_every_mirror_is_named_with_its_fault(server, path):
    with pytest.raises(DownloadError) as error:
        download([server.url("/none"), "http://127.0.0.1:9/file", "gopher://x/file", ""], HASH, path)
    for fault in ("404", "ConnectionError", "InvalidSchema", "MissingSchema"):
        assert fault in str(error.value)


def test_a_damaged_file_is_replaced_or_reported(server, path, part):
    path.write_bytes(b"damaged")
    with pytest.raises(DownloadError, match=r"the one at .* has another checksum"):
        get(server, path, "/none")
    assert path.read_bytes() == b"damaged"
    assert get(server, path, "/good").read_bytes() == CONTENT


def test_of_two_processes_that_need_a_file_one_downloads(server, path):
    begun, go_on = threading.Event(), threading.Event()

    def held(request):
        begun.set()
        go_on.wait(10)
        request.ranged(CONTENT)

    server.pages["/held"] = held
    threads = [threading.Thread(target=get, args=(server, path, "/held")) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == CONTENT and server.log == [("/held", None)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported_and_the_old_file_stays(server, path, part, monkeypatch):
    path.write_bytes(b"old")
    part.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        get(server, path, "/good")
    assert path.read_bytes() == b"old"


def test_without_pooch_the_extra_is_named_and_an_existing_file_is_found(server, path, part, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'minidnn\[zoo\]"?, or put the file .* at .*file\.gz'):
        get(server, path, "/good")
    path.write_bytes(CONTENT)
    assert get(server, path, "/good") == path and not server.log


def test_the_cache_folder_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIDNN_DATA", str(tmp_path / "own"))
    assert cache_folder("a", "b") == tmp_path / "own" / "a" / "b"
    monkeypatch.delenv("MINIDNN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("a") == tmp_path / "minidnn" / "a"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "minidnn"


def test_the_module_imports_no_slow_modules():
    code = "import sys, minidnn.data; print([m for m in ('pooch', 'requests', 'tqdm', 'PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True).stdout == "[]\n"
