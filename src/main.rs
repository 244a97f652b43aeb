//! The `pgbell` command.

use std::process::ExitCode;

/// Many short-lived frames of many sizes on all threads: measurably cheaper than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pgbell::cli::main()
}
