"""minidnn beside others: whole training steps, `python -m bench peers`; forward passes, `python -m bench inference`."""
