"""The chapter's exercises and claims, one lesson each, measured over seeds: ``minidnn reproduce chapter``.

They are installed as ``minidnn.lessons.chapter``. Each defines ``run(seeds, quick, progress)``; docs/chapter.md has the
results.
"""
