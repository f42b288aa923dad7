"""The text of short messages as pure functions: alphabets, parts, headers, numbers. No I/O."""
