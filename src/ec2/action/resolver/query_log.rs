//! Configurations of query logging, and the VPCs that they are for. Nothing is logged for them: `--query-log` does that.

use serde_json::{Value, json};

use super::listing::{ListQuery, ListedItem, without_page_size};
use super::{invalid_parameter, invalid_request, need_vpc, not_found, tag_list};
use crate::ec2::call::{Call, new_id};
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::query_log::{LoggedVpc, PREFIX, QueryLogRecord};
use crate::ec2::record::{StoredObject, Tags};
use crate::ec2::state::Edit;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "CreateResolverQueryLogConfig", writes: true, run: create },
    DocumentAction { name: "GetResolverQueryLogConfig", writes: false, run: get },
    DocumentAction { name: "DeleteResolverQueryLogConfig", writes: true, run: delete },
    DocumentAction { name: "ListResolverQueryLogConfigs", writes: false, run: list },
    DocumentAction { name: "AssociateResolverQueryLogConfig", writes: true, run: associate },
    DocumentAction { name: "DisassociateResolverQueryLogConfig", writes: true, run: disassociate },
    DocumentAction { name: "GetResolverQueryLogConfigAssociation", writes: false, run: get_association },
    DocumentAction { name: "ListResolverQueryLogConfigAssociations", writes: false, run: list_associations },
];

const FILTERS: &[&str] = &[
    "Arn",
    "AssociationCount",
    "CreationTime",
    "CreatorRequestId",
    "Destination",
    "DestinationArn",
    "Id",
    "Name",
    "OwnerId",
    "ShareStatus",
    "Status",
];
const ASSOCIATION_FILTERS: &[&str] =
    &["CreationTime", "Error", "Id", "ResolverQueryLogConfigId", "ResourceId", "Status"];
/// Most configurations of an account and Region, and most VPCs of one (Route 53 guide, "Quotas on Route 53 Resolver").
const MOST: usize = 20;
const MOST_VPCS: usize = 100;

fn is_mine(call: &Call<'_>, config: &QueryLogRecord) -> bool {
    call.sees(&config.owner) && config.region == call.caller.region
}

fn mine<'c>(call: &'c Call<'_>) -> impl Iterator<Item = &'c QueryLogRecord> {
    call.state.query_logs().filter(|config| is_mine(call, config))
}

fn need<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c QueryLogRecord, ApiError> {
    let config = call.state.query_log(id).filter(|config| is_mine(call, config));
    config.ok_or_else(|| not_found(format!("The specified query logging configuration doesn't exist: '{id}'")))
}

fn create(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let creator_request_id = document.need("CreatorRequestId", 1..=255).to_owned();
    let destination = document.need("DestinationArn", 1..=600).to_owned();
    let name = document.friendly_name("Name").unwrap_or_else(|| document.is_missing("Name")).to_owned();
    let given_tags = tag_list::read(document);
    document.check()?;
    if service_of(&destination).is_none() {
        return Err(invalid_request(format!("'{destination}' is not the ARN of a bucket, a log group or a stream.")));
    }
    if let Some(before) = mine(call).find(|config| config.creator_request_id == creator_request_id) {
        if before.name == name && before.destination == destination {
            return Ok(DocumentDone::read(json!({ "ResolverQueryLogConfig": before.shown("CREATED") })));
        }
        let message =
            format!("Query logging configuration with creator request ID '{creator_request_id}' already exists");
        return Err(ApiError::new("ResourceExistsException", message));
    }
    if mine(call).count() >= MOST {
        let message = format!("Account '{}' has exceeded 'max-query-log-configs'", call.caller.account);
        return Err(ApiError::new("LimitExceededException", message));
    }
    let config = QueryLogRecord {
        id: new_id(PREFIX),
        owner: call.caller.account.clone(),
        region: call.caller.region.clone(),
        creator_request_id,
        name,
        destination,
        vpcs: Vec::new(),
        tags: tag_list::with(Tags::new(), given_tags)?,
        created: call.now,
    };
    let answer = json!({ "ResolverQueryLogConfig": config.shown("CREATED") });
    Ok(DocumentDone { edit: Edit::put([StoredObject::QueryLog(config)]), answer })
}

/// What the filter `Destination` calls the service of an ARN.
fn service_of(arn: &str) -> Option<&'static str> {
    match arn.split(':').nth(2).filter(|_| arn.starts_with("arn:")) {
        Some("s3") => Some("S3"),
        Some("logs") => Some("CloudWatchLogs"),
        Some("firehose") => Some("KinesisFirehose"),
        _ => None,
    }
}

fn get(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverQueryLogConfigId", 1..=64);
    document.check()?;
    Ok(DocumentDone::read(json!({ "ResolverQueryLogConfig": need(call, id)?.shown("CREATED") })))
}

fn delete(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverQueryLogConfigId", 1..=64);
    document.check()?;
    let config = need(call, id)?;
    if !config.vpcs.is_empty() {
        let message = "Disassociate the query logging configuration from its VPCs before you delete it.";
        return Err(invalid_request(message));
    }
    let answer = json!({ "ResolverQueryLogConfig": config.shown("DELETING") });
    Ok(DocumentDone { edit: Edit { remove: vec![config.id.clone()], ..Edit::default() }, answer })
}

fn associate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (id, vpc) = (document.need("ResolverQueryLogConfigId", 1..=64), document.need("ResourceId", 1..=64));
    document.check()?;
    let mut config = need(call, id)?.clone();
    let vpc = need_vpc(call, vpc)?;
    if config.vpcs.iter().any(|it| it.vpc == vpc) {
        let message = format!("The VPC '{vpc}' is already associated with the query logging configuration '{id}'.");
        return Err(ApiError::new("ResourceExistsException", message));
    }
    if config.vpcs.len() >= MOST_VPCS {
        let message = format!("A query logging configuration has at most {MOST_VPCS} VPCs.");
        return Err(ApiError::new("LimitExceededException", message));
    }
    let made = LoggedVpc { id: new_id("rqlca-"), vpc, created: call.now };
    let answer = json!({ "ResolverQueryLogConfigAssociation": made.shown(id, "ACTIVE") });
    config.vpcs.push(made);
    Ok(DocumentDone { edit: Edit::put([StoredObject::QueryLog(config)]), answer })
}

fn disassociate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (id, vpc) = (document.need("ResolverQueryLogConfigId", 1..=64), document.need("ResourceId", 1..=64));
    document.check()?;
    let mut config = need(call, id)?.clone();
    let at = config.vpcs.iter().position(|it| it.vpc.to_string() == vpc);
    let at = at.ok_or_else(|| not_found(format!("The VPC '{vpc}' is not associated with '{id}'.")))?;
    let gone = config.vpcs.remove(at).shown(id, "DELETING");
    let answer = json!({ "ResolverQueryLogConfigAssociation": gone });
    Ok(DocumentDone { edit: Edit::put([StoredObject::QueryLog(config)]), answer })
}

fn associations<'c>(call: &'c Call<'_>) -> impl Iterator<Item = ListedItem> + 'c {
    mine(call).flat_map(|config| config.vpcs.iter().map(|it| ListedItem::new(&it.id, it.shown(&config.id, "ACTIVE"))))
}

fn get_association(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverQueryLogConfigAssociationId", 1..=64);
    document.check()?;
    let found = associations(call).find(|item| item.id == id);
    let found = found.ok_or_else(|| not_found(format!("The specified association doesn't exist: '{id}'")))?;
    Ok(DocumentDone::read(json!({ "ResolverQueryLogConfigAssociation": found.shown })))
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let items = mine(call).map(|config| {
        let mut item = ListedItem::new(&config.id, config.shown("CREATED"));
        item.also = Some(("Destination", service_of(&config.destination).unwrap_or_default()));
        item
    });
    counted(document, FILTERS, "ResolverQueryLogConfigs", items.collect())
}

fn list_associations(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let items = associations(call).collect();
    counted(document, ASSOCIATION_FILTERS, "ResolverQueryLogConfigAssociations", items)
}

/// A page in the order that the call asks for, and how many there are with and without its filters.
fn counted(
    document: &Document<'_>,
    filters: &[&'static str],
    member: &str,
    items: Vec<ListedItem>,
) -> Result<DocumentDone, ApiError> {
    let by = document.text("SortBy", 1..=64).map(str::to_owned);
    let is_descending = document.word("SortOrder", &["ASCENDING", "DESCENDING"]) == Some("DESCENDING");
    let query = ListQuery::read(document, filters)?.sorted(by, is_descending);
    let total = items.len();
    let filtered = items.iter().filter(|item| query.takes(item)).count();
    // the models of these actions have no code of its own for a token
    let mut answer = query.page(member, items).map_err(|error| invalid_parameter(error.message))?;
    without_page_size(&mut answer);
    if let Value::Object(members) = &mut answer {
        members.insert("TotalCount".to_owned(), total.into());
        members.insert("TotalFilteredCount".to_owned(), filtered.into());
    }
    Ok(DocumentDone::read(answer))
}
