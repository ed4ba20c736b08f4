//! The program as people run it: the built binary, its words and its exit codes.

mod program;
