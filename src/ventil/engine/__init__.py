"""Acts on what core decides."""
