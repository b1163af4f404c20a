"""How a service process lives: start order, workers, loops, health, signals, bounded stop."""
