"""Dead letters that are asked to be sent again → their topics or `jobs.control`; those that nobody wants → put away."""
