"""What features are declared with, and the index that answers them; polars and numpy only, imports no other room."""
