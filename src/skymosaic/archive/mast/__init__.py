"""The Mikulski Archive for Space Telescopes: what it has, and how its files come here."""
