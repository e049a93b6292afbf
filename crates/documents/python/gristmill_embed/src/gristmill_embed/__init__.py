"""Turns texts into vectors by a sentence encoder of the BERT family, with numpy alone.

It runs in a sandbox of its own, without a network, and stays up. Texts are read, never executed.
"""
