"""Whole training steps beside PyTorch, JAX, TensorFlow and NumPy: `python -m bench peers`."""
