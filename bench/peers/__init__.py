"""Comparisons with other frameworks: `python -m bench peers`; forward passes: `python -m bench inference`."""
