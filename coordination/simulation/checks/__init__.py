"""Checkers that know nothing of the kernel: they read the bytes of journals and what clients saw."""
