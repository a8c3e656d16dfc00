"""The pages in a real browser; run by scripts/test-browser."""
