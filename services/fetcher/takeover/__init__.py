"""Signs of life, and the calls of fetchers that give none."""
