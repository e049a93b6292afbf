//! Jupyter's notebook files: read into cells, and written from them. Pure functions.
