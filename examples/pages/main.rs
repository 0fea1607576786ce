//! Man pages and shell completions out of the commands' own definition, for packages.
//!
//! ```text
//! cargo run --example pages -- DIR        DIR/man/vpcedns.1, vpcedns-serve.1, ...; DIR/completions/vpcedns.bash, _vpcedns, vpcedns.fish
//! ```

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap_complete::Shell;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1) else {
        eprintln!("usage: pages DIR");
        return ExitCode::from(2);
    };
    match write(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", Path::new(&directory).display());
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &Path) -> io::Result<()> {
    let [man, completions] = ["man", "completions"].map(|name| directory.join(name));
    for directory in [&man, &completions] {
        fs::create_dir_all(directory)?;
    }
    let mut command = vpcedns::cli::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "vpcedns", &completions)?;
    }
    clap_mangen::generate_to(command, &man)
}
