"""A Dask scheduler that runs already: its workers, and submission to it."""
