"""The chapter's exercises and claims, a lesson each, measured over seeds: ``minidnn reproduce chapter``.

The package has them as ``minidnn.lessons.chapter``. Each defines ``run(seeds, quick, progress)``; docs/chapter.md tells
what came out.
"""
