"""`callbacks.expected` and `callbacks.received`, in whatever order they come → which task a callback is for."""
