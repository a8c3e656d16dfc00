"""What a file of HST says of itself."""
