//! Tests: host bridges and slots from small definition blocks made here.
