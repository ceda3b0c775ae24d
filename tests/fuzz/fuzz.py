"""A coverage-guided fuzzer for one reader of files: needs ``pip install "minidnn[fuzz]"`` (atheris).

    python -P tests/fuzz/fuzz.py idx|model|weights|checkpoint|header|state [SECONDS]

Starts from good files (`readers.seeds`), keeps what reaches new code in a folder of its own, and stops at the first
fault, with the bytes that made it. Prints how many inputs were read.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["minidnn.data.idx", "minidnn.reuse", "minidnn.training.state", "json", "gzip"]
):
    import minidnn.data.idx
    import minidnn.reuse
    import minidnn.training.state  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))
import readers


def main():
    name, seconds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "60"
    with tempfile.TemporaryDirectory() as folder:
        work, corpus = Path(folder, "work"), Path(folder, "corpus")
        work.mkdir(), corpus.mkdir()
        for i, (reader, content) in enumerate(readers.seeds(work)):
            if reader == name:
                (corpus / f"seed-{i}").write_bytes(content)
                if reader in ("model", "weights"):
                    (corpus / f"open-{i}").write_bytes(readers.without_checksum(content))
        options = [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=4096", "-print_final_stats=1"]
        atheris.Setup(options, lambda content: readers.read(name, content, work))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
