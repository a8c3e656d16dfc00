"""What steps recorded, in sentences and tables for the report."""
