"""A coverage-guided fuzzer for one reader of files: needs ``pip install "minidnn[fuzz,images]"`` (atheris).

    python -P tests/fuzz/fuzz.py READER [SECONDS] [FOLDER]

The readers are the keys of `readers.READERS`. Starts from good files (`seeds`) and what was found before
(``corpus/READER``), keeps what reaches new code in a folder of its own, or the one that is named, and stops at the
first fault, with the bytes that made it. Prints how many inputs were read. Needs minidnn as it is installed by
``pip install .``: the loader of an editable install leaves no room for the instrumentation.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["minidnn", "PIL", "gzip"]):
    import PIL.Image  # noqa: F401
    import readers
    import seeds

if any("editable" in getattr(type(finder), "__module__", "") for finder in sys.meta_path):
    raise SystemExit("fuzz.py: minidnn is installed as editable, whose loader leaves no room for the instrumentation")

VALUES = [None, True, -1, 0, 1, 2, 7, 2**31, 2**63, 0.5, float("nan"), 1e308, "", "x", "0" * 64, [], {}, [0], {"x": 0}]


def in_documents(content, most, seed):
    """Changes a value of a JSON document; sometimes, and if it is not JSON, changes bytes."""
    chance = random.Random(seed)
    try:
        document = json.loads(content)
        known = list(seeds.places(document))
    except (ValueError, RecursionError):
        known = []
    if not known or chance.random() < 0.2:
        return atheris.Mutate(content, most)
    (holder, key), (other, place) = chance.choice(known), chance.choice(known)
    match chance.randrange(4):
        case 0:
            holder[key] = chance.choice(VALUES)
        case 1:
            holder[key] = json.loads(json.dumps(other[place]))  # a copy, so that nothing holds itself
        case 2:
            del holder[key]
        case 3 if isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(holder[key])))
        case 3:
            holder[chance.choice(["x", str(place)])] = json.loads(json.dumps(other[place]))
    return json.dumps(document).encode()[:most]


def main():
    name, seconds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "60"
    with tempfile.TemporaryDirectory() as folder:
        work, corpus = Path(folder, "work"), Path(sys.argv[3] if len(sys.argv) > 3 else Path(folder, "corpus"))
        work.mkdir()
        corpus.mkdir(parents=True, exist_ok=True)
        for i, (reader, content) in enumerate(seeds.of_every_reader(work)):
            if reader == name:
                (corpus / f"seed-{i}").write_bytes(content)
                if reader in ("model", "weights"):
                    (corpus / f"open-{i}").write_bytes(seeds.without_checksum(content))
        found = [str(path) for path in (seeds.CORPUS / name,) if path.is_dir()]
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-print_final_stats=1"]
        mutator = {"custom_mutator": in_documents} if name in readers.DOCUMENTS else {}
        arguments = [sys.argv[0], str(corpus), *found, *options]
        atheris.Setup(arguments, lambda content: readers.read(name, content, work), **mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
