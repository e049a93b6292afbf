//! Installing packages in real sandboxes, from a package index of the test's own and, where it answers, from PyPI.
