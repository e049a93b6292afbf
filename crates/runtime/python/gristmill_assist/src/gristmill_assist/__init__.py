"""Help with writing Python, for one project: completions, hover, signatures and syntax errors.

It runs in a sandbox of its own and stays up. What it is asked about is parsed, never executed.
"""
