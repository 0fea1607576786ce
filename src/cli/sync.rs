//! `vpcedns sync`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::args::{SyncAction, SyncArgs};
use super::client::ServerAt;
use super::diff::DiffOutput;
use super::offline::Offline;
use crate::config::Settings;
use crate::diff::DiffScope;
use crate::forward::Forwarder;
use crate::http_client::HostLookup;
use crate::naming::{Region, parse_region};
use crate::observe::StatusReport;
use crate::problem::count;
use crate::sync::{
    AssumedRole, AwsClient, Caution, CredentialSettings, Fetched, Fetching, SharedCredentials, WriteOutcome, Written,
    copy_outputs, fetch, policy, profile_region, write,
};

pub(super) fn run(args: &SyncArgs) -> ExitCode {
    if args.print_policy {
        return super::print(&policy());
    }
    let done = match args.action {
        Some(action) => tell(args, action),
        None => read_and_write(args),
    };
    match done {
        Ok(code) => code,
        Err(why) => super::fail(&why),
    }
}

/// Has a running server read its accounts.
fn tell(args: &SyncArgs, action: SyncAction) -> Result<ExitCode, String> {
    let query = if action == SyncAction::Accept { "?accept" } else { "" };
    let answer = ServerAt::of(&args.server)?.ask(&format!("POST /v1/sync{query}"))?;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
    let accounts = answer.get("accounts").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let accounts = count(usize::try_from(accounts).unwrap_or_default(), "account");
    Ok(super::print(&format!("reading {accounts}; `vpcedns status` says how it went\n")))
}

/// Every region is read before the first is written.
fn read_and_write(args: &SyncArgs) -> Result<ExitCode, String> {
    let to = args.to.as_deref().ok_or("--to DIR is missing: the directory that the outputs are written to")?;
    let regions = regions(args)?;
    let credentials = credentials(args, &regions)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let fetched: Result<Vec<Fetched>, String> = runtime.block_on(async {
        let mut all = Vec::new();
        for credentials in credentials {
            // before any call: why there are none, and what to do, is the whole story
            credentials.current().await.map_err(|error| format!("{}\n  hint: {}", error.what, error.hint))?;
            let client = AwsClient::new(f64::from(args.rate), credentials)?;
            // hosted zones are the account's, whatever the region
            for (region, hosted_zones) in regions.iter().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
                all.push(one_region(&client, region.clone(), hosted_zones, args).await?);
            }
        }
        Ok(all)
    });
    let fetched = fetched?;
    if args.dry_run { dry_run(to, fetched, args) } else { keep(to, fetched, args) }
}

fn regions(args: &SyncArgs) -> Result<Vec<Region>, String> {
    if !args.region.is_empty() {
        return Ok(args.region.clone());
    }
    let hint = "give --region, or set AWS_REGION";
    let text = profile_region(args.profile.as_deref()).ok_or_else(|| format!("no region is named\n  hint: {hint}"))?;
    let region = parse_region(&text).map_err(|fault| format!("{}\n  hint: {hint}", fault.what))?;
    Ok(vec![region])
}

/// Those of the chain, or of each role that is assumed with them.
fn credentials(args: &SyncArgs, regions: &[Region]) -> Result<Vec<SharedCredentials>, String> {
    let region = regions.first().ok_or("no region is named")?.clone();
    let names = host_names(args);
    let settings = CredentialSettings { profile: args.profile.clone(), region, endpoint: args.endpoint.clone(), names };
    let own = SharedCredentials::new(settings)?;
    if args.role.is_empty() {
        return Ok(vec![own]);
    }
    let assumed = |arn: &String| {
        own.assuming(AssumedRole { arn: arn.clone(), external_id: args.external_id.clone(), ..AssumedRole::default() })
    };
    Ok(args.role.iter().map(assumed).collect())
}

/// Where AWS is: as the upstreams of `--forward` say, or this machine's resolvers, less a server that runs here.
fn host_names(args: &SyncArgs) -> HostLookup {
    let own = running_server(args);
    let Settings { forward, limits, .. } = args.answers.settings();
    HostLookup::beside(Arc::new(move || own.clone()), forward, Forwarder::new(&limits))
}

/// The addresses of the server that answers on the control socket; none without one.
fn running_server(args: &SyncArgs) -> Vec<SocketAddr> {
    let said = ServerAt::of(&args.server).and_then(|server| server.ask("GET /v1/status"));
    let report = said.ok().and_then(|text| serde_json::from_str::<StatusReport>(&text).ok());
    report.map(|report| report.listen).unwrap_or_default()
}

async fn one_region(
    client: &AwsClient,
    region: Region,
    hosted_zones: bool,
    args: &SyncArgs,
) -> Result<Fetched, String> {
    let name = region.to_string();
    let progress = |kind: &str, objects: usize, pages: usize| {
        eprintln!("{name}: {objects} {kind} in {}", count(pages, "call"));
    };
    let what = Fetching {
        region,
        vpcs: args.vpc.clone(),
        hosted_zones,
        addresses: args.endpoint_address.clone(),
        names: args.sync_names,
    };
    let fetched = fetch(client, &what, &progress).await.map_err(|why| {
        format!(
            "{name}: {why}\n  hint: nothing was written; `vpcedns sync --print-policy` prints what has to be allowed"
        )
    })?;
    for (kind, why) in &fetched.left_out {
        eprintln!("warning: {name}: {kind} are left out: {why}");
    }
    for remark in &fetched.remarks {
        eprintln!("warning: {name}: {remark}; --sync-names decides");
    }
    Ok(fetched)
}

fn keep(to: &Path, fetched: Vec<Fetched>, args: &SyncArgs) -> Result<ExitCode, String> {
    let mut code = ExitCode::SUCCESS;
    for region in fetched {
        let written = write(to, region, &mut Caution::once(args.accept)).map_err(|error| cannot_write(to, &error))?;
        let Written { path, outcome, .. } = written;
        let what = match outcome {
            WriteOutcome::Written => "written",
            WriteOutcome::Unchanged => "unchanged",
            WriteOutcome::Held(what) => {
                eprintln!("error: {}: {what}: not written\n  hint: if that is right, add --accept", path.display());
                code = ExitCode::FAILURE;
                continue;
            }
        };
        if super::print(&format!("{}: {what}\n", path.display())) != ExitCode::SUCCESS {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(code)
}

/// Writes beside the directory, and prints what differs.
fn dry_run(to: &Path, fetched: Vec<Fetched>, args: &SyncArgs) -> Result<ExitCode, String> {
    let scratch = Scratch::new()?;
    let (old, new) = (scratch.0.join("old"), scratch.0.join("new"));
    for side in [&old, &new] {
        std::fs::create_dir_all(side)
            .and_then(|()| copy_outputs(to, side))
            .map_err(|error| cannot_write(side, &error))?;
    }
    for region in fetched {
        write(&new, region, &mut Caution::once(true)).map_err(|error| cannot_write(&new, &error))?;
    }
    let load = |side: &Path| {
        Offline::new(Settings { zones: vec![side.to_owned()], ..args.answers.settings() }, None).compile()
    };
    let (Some((old, _)), Some((new, _))) = (load(&old), load(&new)) else { return Ok(super::diff::trouble()) };
    // both sides are copies that nobody else sees
    Ok(super::diff::compare(&old, &new, DiffScope::ALL, &DiffOutput { json: args.json, ..DiffOutput::default() }))
}

fn cannot_write(at: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", at.display())
}

/// A directory that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, String> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("vpcedns-sync-{:016x}", rand::random::<u64>()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| cannot_write(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
