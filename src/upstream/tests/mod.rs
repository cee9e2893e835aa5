//! Tests against scripted targets.
