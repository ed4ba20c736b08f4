//! `doorward`. What it does is in the library beside this file.

fn main() -> std::process::ExitCode {
    server::main()
}
