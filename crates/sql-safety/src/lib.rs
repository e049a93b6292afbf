//! SQL text to a validated, limited, canonical query or a typed refusal. Owns sqlparser.
