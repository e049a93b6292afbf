//! Passwords, tokens, refresh families, throttles.
