//! Tests: each finding fires once, and does not where the facts agree.
