"""Body formats: bytes → content, and content → bytes. JSON now; each further format is a module beside it."""
