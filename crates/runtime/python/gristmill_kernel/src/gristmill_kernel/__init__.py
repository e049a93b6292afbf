"""What Gristmill's kernels run beside the user's code.

``python -m gristmill_kernel -f connection.json`` is the kernel; ``install`` gives a namespace the helpers only.
"""

from .startup import install, prepare

__all__ = ["install", "prepare"]
