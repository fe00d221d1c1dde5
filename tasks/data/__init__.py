"""From landing place and DVC to checked rows and the feature frame; it may import core."""
