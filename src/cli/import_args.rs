//! The command line of `vpcedns import`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns import zones --dry-run\n  \
    vpcedns import zones --ec2-state /var/lib/vpcedns --account 123456789012\n\n\
    The server is stopped first. What the API has no kind for stays in its file, and is named. Files that change are kept\n\
    as FILE.imported.")]
pub(super) struct ImportArgs {
    /// The directory or file of zones
    pub(super) dir: PathBuf,
    /// Directory for the state of the EC2-compatible API
    #[arg(long, value_name = "DIR", env = "VPCEDNS_EC2_STATE", default_value = "./vpcedns-state")]
    pub(super) ec2_state: PathBuf,
    /// The account whose the objects become
    #[arg(
        long,
        value_name = "ACCOUNT",
        env = "VPCEDNS_ACCOUNT",
        default_value = "000000000000",
        value_parser = account
    )]
    pub(super) account: String,
    /// Only say what would be done
    #[arg(long, env = "VPCEDNS_DRY_RUN")]
    pub(super) dry_run: bool,
    /// Print the plan as JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn account(text: &str) -> Result<String, String> {
    let is_account = text.len() == 12 && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_account { Ok(text.to_owned()) } else { Err("an account is 12 digits".to_owned()) }
}
