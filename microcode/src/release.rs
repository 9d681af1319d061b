//! Two sets of updates compared.
