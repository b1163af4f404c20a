"""By the clock: what nobody asks for any more (keys, ids, callbacks, answers, old jobs and letters) is forgotten."""
