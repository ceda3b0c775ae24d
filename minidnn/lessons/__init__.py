"""The lessons of ``minidnn reproduce``; the folder ``examples/reuse`` is installed as ``minidnn.lessons.reuse``."""
