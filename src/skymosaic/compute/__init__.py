"""Where tasks run: each module gives a Dask client."""
