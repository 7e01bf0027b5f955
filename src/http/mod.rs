//! What is reached by HTTP: parse, authenticate, call once, render.

pub mod ops;
