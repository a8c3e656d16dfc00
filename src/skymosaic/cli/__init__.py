"""The command line: thin commands without logic of their own, a module for each family."""
