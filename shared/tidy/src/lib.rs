//! Tests of rules that the compiler can't check. There is no code here; see `tests/`.
