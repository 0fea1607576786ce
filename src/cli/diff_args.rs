//! The flags of `vpcedns diff`.

use std::path::PathBuf;

use clap::Args;

use super::flags::{AnswersElsewhere, Flags};
use super::looked_at::ServedArgs;
use crate::naming::VpcId;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns diff zones new-zones\n  \
    git worktree add /tmp/main main && vpcedns diff /tmp/main/zones zones --markdown > comment.md\n  \
    vpcedns diff --socket ./vpcedns.sock                    what the last change of a running server changed\n  \
    vpcedns diff --socket ./vpcedns.sock new-zones          what these files would change, in place of its own")]
pub(super) struct DiffArgs {
    /// Zones as they were; with --socket, those that the server would have
    pub(super) old: Option<PathBuf>,
    /// The directory or file of zones as they are
    pub(super) new: Option<PathBuf>,
    #[command(flatten)]
    pub(super) served: ServedArgs,
    /// What clients of this VPC are told only
    #[arg(long, value_name = "ID", env = "VPCEDNS_VPC")]
    pub(super) vpc: Option<VpcId>,
    /// Print as JSON
    #[arg(long, conflicts_with = "markdown")]
    pub(super) json: bool,
    /// Print a table in Markdown, for pull requests
    #[arg(long, env = "VPCEDNS_MARKDOWN")]
    pub(super) markdown: bool,
    #[command(flatten)]
    pub(super) flags: Flags<AnswersElsewhere>,
}
