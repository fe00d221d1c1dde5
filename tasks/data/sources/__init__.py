"""Where rows come from, beside files that are put into the landing place; each kind is one class."""
