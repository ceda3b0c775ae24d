"""Lessons on small and fast models, one file each; ``minidnn reproduce`` runs them over several seeds.

They are installed as ``minidnn.lessons.deploy``; see ``minidnn.lessons.reuse`` for what each defines.
"""
