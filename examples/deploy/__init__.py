"""Lessons on models that run, a file each; ``minidnn reproduce`` runs them over several seeds.

The package has them as ``minidnn.lessons.deploy``; see ``minidnn.lessons.reuse`` for what each defines.
"""
