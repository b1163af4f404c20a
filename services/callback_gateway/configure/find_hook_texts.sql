-- The documents of all hooks.
SELECT id, document FROM hooks
