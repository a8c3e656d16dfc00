"""The comparison of the methods as many tasks: what is measured on pixels, and what is drawn."""
