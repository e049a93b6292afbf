//! Notebook files.
