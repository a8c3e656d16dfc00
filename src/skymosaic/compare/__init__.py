"""What the sky methods did: table, figures, report."""
