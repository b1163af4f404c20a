"""By the clock: jobs that ended long ago are forgotten, with their tasks."""
