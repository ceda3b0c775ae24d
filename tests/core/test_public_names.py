"""Public names and parameters equal the recorded ones."""

import json

from kit.public_names import RECORD, found


def test_names_and_parameters_are_those_on_record():
    recorded, now = json.loads(RECORD.read_text()), found()
    gone, new = recorded.keys() - now.keys(), now.keys() - recorded.keys()
    changed = {
        name: (recorded[name], now[name]) for name in recorded.keys() & now.keys() if recorded[name] != now[name]
    }
    remedy = "say so in CHANGELOG.md and run python -P tools/record_public_names.py"
    assert not (gone or new or changed), f"gone {sorted(gone)}, new {sorted(new)}, changed {changed}: {remedy}"


def test_no_default_depends_on_the_process():
    assert not [name for name, parameters in found().items() if " at 0x" in parameters]
