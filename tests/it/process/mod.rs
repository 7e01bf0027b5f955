//! The program as operators run it.
